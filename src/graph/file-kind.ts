/** First bytes of files that people mistake for weights and networks. */
const SIGNATURES: readonly (readonly [start: RegExp, what: string])[] = [
  [/^\x89PNG/, "it is a PNG image"],
  [/^\xff\xd8\xff/, "it is a JPEG image"],
  [/^GIF8/, "it is a GIF image"],
  [/^RIFF.{4}WEBP/s, "it is a WebP image"],
  [/^(II\*\0|MM\0\*)/, "it is a TIFF image"],
  [/^%PDF/, "it is a PDF document"],
  [/^\x93NUMPY/, 'it is a NumPy array (.npy), which "convnets predict" takes'],
  [/^.{4}TFL3/s, "it is a TensorFlow Lite model"],
  [/^\s*[{[]/, "it is text, probably JSON"],
];

/** What to do with a model of Keras where weights are expected. */
const KERAS =
  "which commands take as a network if it holds the whole model; `convnets convert` makes a .pth file of that";

/** What a file seems to be that is none of those expected, from its first 300 bytes: "it is a PNG image". */
export function fileKind(start: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(start);
  if (start.length === 0) return "it is empty";
  if (text.startsWith("version https://git-lfs"))
    return "it is a Git LFS pointer, fetch the file itself with `git lfs pull`";
  if (text.startsWith("\x89HDF")) return `it is HDF5, as Keras writes it, ${KERAS}`;
  if (text.startsWith("\x1f\x8b")) return "it is compressed with gzip, unpack it first";
  if (/^\s*<(!doctype|html)/i.test(text)) return "it is a web page, the download went wrong";
  const known = SIGNATURES.find(([signature]) => signature.test(text));
  if (known) return known[1];
  if (!/^[\t\r\n\x20-\x7e]+$/.test(text)) return "its content is of no known kind";
  const [line = ""] = text.trim().split(/[\r\n]/);
  return `it is a text file that begins "${line.slice(0, 60)}", get the file itself from where it was published`;
}
