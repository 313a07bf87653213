const { url } = import.meta;
const place = Math.max(url.lastIndexOf("/src/"), url.lastIndexOf("/dist/"));

/**
 * The folder of the package, with "/" at the end, whichever file of src/ or dist/ this code ended up in: Node runs bundles, in which
 * files have other places than in the sources. In the bundle of another program, which has none of the package's files beside it, the
 * folder of that bundle.
 */
export const PACKAGE: string = place < 0 ? new URL(".", url).href : url.slice(0, place + 1);
