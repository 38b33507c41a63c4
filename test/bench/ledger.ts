/** What the readers of all measurements were owed and got: the figures count only while nothing is lost, doubled or out of order. */
import type { Found } from "./load.ts";

type Account = Pick<Found, "total" | "lost" | "disordered" | "dropped" | "notices" | "errors" | "trouble">;

export interface Ledger {
  add(name: string, found: Found): void;
  /** One line for each server that had deliveries or errors since the last call; what is amiss stands out. */
  settle(): string[];
  /** Everything that was amiss with this server, over all measurements. */
  amiss(name: string): number;
}

const NONE: Account = { total: 0, lost: 0, disordered: 0, dropped: 0, notices: 0, errors: 0, trouble: "" };

export function createLedger(): Ledger {
  const open = new Map<string, Account>();
  const amiss = new Map<string, number>();
  return {
    add(name, found) {
      const { trouble, ...sums } = open.get(name) ?? NONE;
      for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += found[key];
      open.set(name, { ...sums, trouble: trouble || found.trouble });
      amiss.set(name, (amiss.get(name) ?? 0) + wrongs(found));
    },
    settle() {
      const lines = [...open].filter(([, account]) => account.total > 0 || wrongs(account) > 0).map(lineOf);
      open.clear();
      return lines;
    },
    amiss: (name) => amiss.get(name) ?? 0,
  };
}

function wrongs({ lost, disordered, dropped, notices, errors }: Omit<Account, "total" | "trouble">): number {
  return lost + disordered + dropped + notices + errors;
}

function lineOf([name, account]: [string, Account]): string {
  const { total, lost, disordered, dropped, notices, errors, trouble } = account;
  const rest = [
    dropped > 0 ? `${dropped} readers dropped` : "",
    notices > 0 ? `${notices} gaps or resets` : "",
    errors > 0 ? `${errors} errors (${trouble.slice(0, 160)})` : "",
  ].filter((words) => words !== "");
  const sum = `${total.toLocaleString("en")} deliveries, ${lost} lost, ${disordered} doubled or out of order`;
  return `${name}: ${[sum, ...rest].join(", ")}`;
}
