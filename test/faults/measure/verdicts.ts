/** Figures as verdicts. */
import { grouped } from "../load/figures.ts";
import type { Verdict } from "../scenario.ts";

/** None of `of` may be so; and of nothing nothing has been shown. */
export function none(name: string, bad: number, of: number): Verdict {
  return { name, figure: `${grouped(bad)} of ${grouped(of)}`, ok: bad === 0 && of > 0 };
}

/** All of `of` must be so; and of nothing nothing has been shown. */
export function all(name: string, good: number, of: number): Verdict {
  return { name, figure: `${grouped(good)} of ${grouped(of)}`, ok: good === of && of > 0 };
}

/** At most so long, in milliseconds; null: it never came. */
export function within(name: string, mostMs: number, ms: number | null): Verdict {
  const figure =
    ms === null ? `never, within ${mostMs / 1_000} s wanted` : `${(ms / 1_000).toFixed(2)} s of ${mostMs / 1_000} s`;
  return { name, figure, ok: ms !== null && ms <= mostMs };
}
