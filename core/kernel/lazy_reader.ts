/** Reading a stream that may never be read: the runtimes take care of a request's body that nobody has touched, but not of one that is locked. */

export type LazyReader = Pick<ReadableStreamDefaultReader<Uint8Array>, "read" | "cancel">;

/** A reader that locks the stream with the first read, and not before. */
export function lazyReader(stream: ReadableStream<Uint8Array>): LazyReader {
  let reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  return {
    read() {
      reader ??= stream.getReader();
      return reader.read();
    },
    cancel: (reason) => (reader ?? stream).cancel(reason),
  };
}
