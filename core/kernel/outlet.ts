/**
 * How one answer writes what it is given: frames as they are when it follows one subject; when it follows several, each event with an id that names
 * where every subject stands (`subject:id,subject:id`), and with the subject it is from.
 */
import type { Notice } from "./cursor.ts";
import type { Feed, Wire } from "./feed.ts";
import { type Chunk, joinBytes } from "./frames.ts";

export interface Outlet {
  frames(chunk: Chunk): Uint8Array;
  /** Tells that the reader stands at `id`. */
  mark(id: string): Uint8Array;
  /** Tells what is missing; the reader stands at `id` then. */
  notice(notice: Notice, id: string): Uint8Array;
}

const encoder = new TextEncoder();

/** The outlets of a feed's parts, in their order. */
export function outletsOf({ parts, origin }: Feed, wire: Wire): Outlet[] {
  if (origin === undefined) return parts.map(() => plain(wire));
  const places = new Map(parts.map(({ subject, after }) => [subject, after]));
  return parts.map(({ subject }) => composite({ subject, origin: origin(subject), places, wire }));
}

function plain(wire: Wire): Outlet {
  return {
    frames: ({ bytes }) => bytes,
    mark: (id) => encoder.encode(wire.mark(id)),
    notice({ event, ...particulars }, id) {
      return encoder.encode(wire.notice(event, JSON.stringify(particulars), id));
    },
  };
}

interface Composite {
  subject: string;
  origin: string;
  /** Where each subject of the answer stands, shared by its outlets. */
  places: Map<string, string>;
  wire: Wire;
}

function composite({ subject, origin, places, wire }: Composite): Outlet {
  function at(id: string): string {
    places.set(subject, id);
    return Array.from(places, (place) => place.join(":")).join(",");
  }
  return {
    frames({ frames }) {
      const parts = frames.flatMap(({ id, bytes, jsonAt }) => [
        encoder.encode(`${wire.before(at(id))}{${origin},`),
        bytes.subarray(jsonAt + 1),
      ]);
      return joinBytes(parts);
    },
    mark: (id) => encoder.encode(wire.mark(at(id))),
    notice({ event, ...particulars }, id) {
      const json = `{${origin},${JSON.stringify(particulars).slice(1)}`;
      return encoder.encode(wire.notice(event, json, at(id)));
    },
  };
}
