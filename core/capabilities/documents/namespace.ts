/** A namespace: its name, and what has been declared of it, a schema and indexed fields. A namespace that nobody has declared is there all the same, and empty. */
import * as v from "valibot";
import type { Context, House } from "../../kernel/context.ts";
import { quote } from "../../kernel/fields.ts";
import { type SchemaCheck, schemaCheck } from "../../kernel/schema_check.ts";
import type { CheckDocument, Document, PutDocument } from "../../ports/documents.ts";
import type { Json, JsonObject } from "../../ports/json.ts";

/** Realm of what the server keeps about namespaces, and of their feeds of changes; no data mode can name it. */
export const REALM = "documents";
const NAMESPACES = "namespaces";
/** How many older settings are kept; their versions only grow, so that none is taken for another. */
const SETTINGS_KEPT = 10;

export const namespace = v.pipe(
  v.string(),
  v.regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/,
    (issue) =>
      `is ${quote(issue.input)}; send 1 to 100 letters, digits, dots, hyphens and underscores, a letter or digit first`,
  ),
  v.description("The namespace: a name for documents that belong together; it need not be made first"),
);

/** A declared field and whether all documents that were there are indexed by now. */
export interface Index {
  field: string;
  ready: boolean;
}

export interface Settings {
  schema: JsonObject | null;
  indexes: readonly Index[];
  /** Of the record they stand in; 0: nothing has been declared. */
  version: number;
  /** Null where there is no schema. */
  check: SchemaCheck | null;
}

/** What is knocked when a namespace's settings have changed. */
export const knockOfSettings = (name: string) => `documents/namespace/${name}`;

/** The settings, as this process has known them for at most a second: `unchanged` in the unit makes sure that they still hold. */
export function settingsOf({ recent, database }: Context, name: string): Promise<Settings> {
  return recent(knockOfSettings(name), () => loadSettings({ database }, name));
}

/** The settings as they are now. */
export async function loadSettings({ database }: Pick<House, "database">, name: string): Promise<Settings> {
  const document = await database.documents.get(REALM, NAMESPACES, name);
  return document === null ? NONE : fromDocument(document);
}

const NONE: Settings = { schema: null, indexes: [], version: 0, check: null };

function fromDocument({ body, version }: Document): Settings {
  const { schema, indexes } = body as unknown as Pick<Settings, "schema" | "indexes">;
  // Made when it is first needed.
  let made: SchemaCheck | undefined;
  const check = (value: Json) => {
    made ??= schemaCheck(schema!);
    return made(value);
  };
  return { schema, indexes, version, check: schema === null ? null : check };
}

/** Namespaces with declarations, in pages. */
export async function declaredNamespaces(
  { database }: Pick<House, "database">,
  after: string,
  limit: number,
): Promise<{ name: string; settings: Settings }[]> {
  const documents = await database.documents.list(REALM, NAMESPACES, after, limit);
  return documents.map((document) => ({ name: document.id, settings: fromDocument(document) }));
}

/** Makes a unit fail with `changed` unless the settings are still those that it was made by. */
export function unchanged(name: string, { version }: Pick<Settings, "version">): CheckDocument {
  return { op: "document.check", realm: REALM, collection: NAMESPACES, id: name, ifVersion: version };
}

/** Replaces the settings; whoever writes documents meanwhile does so entirely before or by the new ones. */
export function putSettings(
  name: string,
  { schema, indexes }: Pick<Settings, "schema" | "indexes">,
  ifVersion: number,
): PutDocument {
  const body: JsonObject = { schema, indexes: indexes.map(({ field, ready }) => ({ field, ready })) };
  return {
    op: "document.put",
    realm: REALM,
    collection: NAMESPACES,
    id: name,
    body,
    ifVersion,
    versions: SETTINGS_KEPT,
    exclusive: true,
  };
}
