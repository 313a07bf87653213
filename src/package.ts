/**
 * The folder of the package, with "/" at the end, whichever file of src/ or dist/ this code ended up in: Node runs bundles, in which
 * files have other places than in the sources.
 */
export const PACKAGE: string = import.meta.url.slice(
  0,
  1 + Math.max(import.meta.url.lastIndexOf("/src/"), import.meta.url.lastIndexOf("/dist/")),
);
