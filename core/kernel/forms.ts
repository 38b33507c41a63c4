/** Inputs that come in one of several forms: each form has a field of its own, of which exactly one is sent. */
import * as v from "valibot";
import { type Entry, listIn } from "./fields.ts";
import type { InputSchema } from "./operation.ts";

/** Leading field → what it is, in words, and the fields that may stand beside it. Fields that no form names go with every form. */
export interface Forms {
  readonly [lead: string]: { is: string; beside: readonly string[] };
}

/** A closed object in one of the forms; the leading fields are declared optional, since each form has but one of them. */
export function inForms<const E extends v.ObjectEntries>(entries: E, forms: Forms) {
  const leads = Object.keys(forms);
  const strays = new Map(leads.map((lead) => [lead, strayFields(forms, lead)]));
  return v.pipe(
    v.strictObject(entries),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      const input = dataset.value as Readonly<Record<string, unknown>>;
      const refuse = (key: string, message: string) =>
        addIssue({ message, path: [{ type: "object", origin: "value", input, key, value: input[key] }] });
      const [lead, other] = leads.filter((field) => input[field] !== undefined);
      if (lead === undefined) {
        const choices = leads.map((field) => `${field} (${forms[field]!.is})`);
        return refuse(leads[0]!, `is missing; send ${choices.join(" or ")}`);
      }
      if (other !== undefined) return refuse(other, `stands beside ${lead}; send one of the two`);
      const stray = strays.get(lead)!.find((field) => input[field] !== undefined);
      if (stray !== undefined) refuse(stray, `stands beside ${lead}; ${advice(entries[lead]!, stray)}`);
    }),
    v.metadata({ forms }),
  );
}

/** The forms of an input; null when it has but one. */
export function formsOf(schema: InputSchema): Forms | null {
  const { forms } = v.getMetadata(schema) as { forms?: Forms };
  return forms ?? null;
}

/** Fields of other forms, which may not stand beside this leading one. */
export function strayFields(forms: Forms, lead: string): string[] {
  const known = new Set(Object.entries(forms).flatMap(([field, { beside }]) => [field, ...beside]));
  return [...known].filter((field) => field !== lead && !forms[lead]!.beside.includes(field));
}

function advice(lead: Entry, stray: string): string {
  const inside = Object.hasOwn(listIn(lead)?.item.entries ?? {}, stray);
  return inside ? `put ${stray} into each item` : "leave it out";
}
