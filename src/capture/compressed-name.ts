/** What compressing a capture adds to its name; whether a file is compressed its octets tell. */

/** Names that compressed files usually have. */
export const compressedExtensions = ['.gz', '.zst', '.zstd', '.lz4'] as const;

/** `path` as it was before the file was compressed. */
export function withoutCompression(path: string): string {
  const extension = compressedExtensions.find((each) => path.toLowerCase().endsWith(each));
  return extension === undefined ? path : path.slice(0, -extension.length);
}
