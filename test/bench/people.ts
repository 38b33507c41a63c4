/** The rows of the chapter on tables, in the forms in which they are sent. */

/** Columns as the tables mode declares them. */
export const COLUMNS = [
  { name: "name", type: "text", nullable: false },
  { name: "email", type: "text" },
  { name: "age", type: "integer" },
  { name: "pay", type: "numeric(10,2)" },
  { name: "born", type: "timestamptz" },
] as const;

/** The same in SQL, with the identity that every table of the mode has. */
export const COLUMNS_SQL = `id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text COLLATE "C" NOT NULL, email text COLLATE "C", age integer,
  pay numeric(10,2), born timestamptz`;

interface Person {
  name: string;
  email: string;
  age: number;
  pay: string;
  born: string;
}

/** So many rows, each unlike its neighbours. */
export function people(count: number): Person[] {
  return Array.from({ length: count }, (_, n) => ({
    name: `Person number ${n}`,
    email: `person.${n}@example.org`,
    age: n % 90,
    pay: `${1_000 + n}.${String(n % 100).padStart(2, "0")}`,
    born: `19${String(50 + (n % 50))}-0${1 + (n % 9)}-1${n % 10}T12:00:00Z`,
  }));
}

/** As COPY takes them. */
export function copyText(rows: readonly Person[]): string {
  return rows.map((row) => `${Object.values(row).join("\t")}\n`).join("");
}
