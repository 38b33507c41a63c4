/** Cells of one type as cells of another, for the pairs that `convertible` allows: what PostgreSQL makes of them by the casts of `table_sql.ts`. */
import type { Cell, Column } from "../../table.ts";

const NUMBER = /^-?[0-9]{1,40}([.][0-9]{1,40})?$/;
const UUID = /^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/;

/** The cell as one of the new type; undefined when that has no room for it. */
export function converted(was: Column, is: Column, cell: Cell): Cell | undefined {
  if (cell === null) return null;
  switch (is.type) {
    case "text":
      return String(cell);
    case "integer":
    case "bigint":
    case "numeric":
      return numberCell(is, String(cell));
    case "boolean":
      return was.type === "boolean" ? cell : cell === "true" ? true : cell === "false" ? false : undefined;
    case "uuid":
      return UUID.test(String(cell)) ? String(cell).toLowerCase() : undefined;
    case "date":
      return String(cell).slice(0, 10);
    case "timestamptz":
      return was.type === "date" ? `${String(cell)}T00:00:00Z` : cell;
    default:
      return cell;
  }
}

/** Half is rounded away from zero, as PostgreSQL rounds decimals. */
function numberCell({ type, precision, scale }: Column, text: string): Cell | undefined {
  if (!NUMBER.test(text)) return undefined;
  const places = scale ?? 0;
  const [whole = "", fraction = ""] = text.replace("-", "").split(".");
  const kept = BigInt(whole + fraction.slice(0, places).padEnd(places, "0"));
  const size = kept + ((fraction[places] ?? "0") >= "5" ? 1n : 0n);
  const value = text.startsWith("-") ? -size : size;
  switch (type) {
    case "integer":
      return value === BigInt.asIntN(32, value) ? Number(value) : undefined;
    case "bigint":
      return value === BigInt.asIntN(64, value) ? String(value) : undefined;
    default:
      return size < 10n ** BigInt(precision ?? 0) ? decimal(value, places) : undefined;
  }
}

function decimal(value: bigint, places: number): string {
  if (places === 0) return String(value);
  const digits = String(value < 0n ? -value : value).padStart(places + 1, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -places)}.${digits.slice(-places)}`;
}
