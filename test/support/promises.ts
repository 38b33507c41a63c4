/**
 * Suites whose tests each keep one promise, on a harness of their own.
 */
import { suite } from "uvu";

/** Registers one test: the promise in words, and what proves it. */
export type Keeps<Harness> = (promise: string, proof: (harness: Harness) => Promise<void>) => void;

/** Runs a suite in which every test opens a harness and closes it afterwards, come what may. */
export function promises<Harness extends { close(): Promise<void> }>(
  title: string,
  open: () => Promise<Harness>,
  register: (keeps: Keeps<Harness>) => void,
): void {
  const tests = suite(title);
  register((promise, proof) => {
    tests(promise, async () => {
      const harness = await open();
      try {
        await proof(harness);
      } finally {
        await harness.close();
      }
    });
  });
  tests.run();
}
