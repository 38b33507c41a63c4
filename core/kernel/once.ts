/** Simultaneous loads of one key are one load; nothing is kept afterwards. */

export type Once = <T>(key: string, load: () => Promise<T>) => Promise<T>;

export function createOnce(): Once {
  const under = new Map<string, Promise<unknown>>();
  return <T>(key: string, load: () => Promise<T>) => {
    const found = under.get(key);
    if (found !== undefined) return found as Promise<T>;
    const loading = load().finally(() => under.delete(key));
    under.set(key, loading);
    return loading;
  };
}
