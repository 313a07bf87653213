/** The server of the studio, the web application in `web/`. Imports nothing of the library; the page has its own copy of it. */
export { isNetworkFile, listFiles, type OfferedFile } from "./files.ts";
export { type StudioOptions, type StudioServer, serveStudio } from "./server.ts";
