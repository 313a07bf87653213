/** The interface that engines implement. The engines themselves are in `node` and web.ts. */
export * from "./engine.ts";
