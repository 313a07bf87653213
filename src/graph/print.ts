import { type Attribute, Float, Graph, uniqueNames, type Value } from "./graph.ts";
import { formatShape } from "./shape.ts";

/** The graph as text, one line per node, for people and for snapshots. */
export function printGraph(graph: Graph): string {
  const names = uniqueNames(graph);
  const name = (value: Value) => names.get(value) ?? value.name;
  const type = (value: Value) => `${name(value)}: ${value.dtype}${formatShape(value.shape)}`;
  const lines = [
    `graph ${graph.name}(${graph.inputs.map(type).join(", ")})`,
    ...graph.parameters.map((value) => `  parameter ${type(value)}`),
    ...[...graph.constants].map(([value, { data }]) => `  constant ${type(value)} = ${preview(data)}`),
    ...graph.nodes.map((node) => {
      const attributes = Object.entries(node.attributes).map(([key, value]) => `${key}=${printAttribute(value)}`);
      const inputs = node.inputs.map((value) => (value ? name(value) : "-"));
      const op = node.domain === "" ? node.op : `${node.domain}.${node.op}`;
      return `  ${node.outputs.map(type).join(", ")} = ${op}(${[...inputs, ...attributes].join(", ")})`;
    }),
    `  return ${[...graph.outputs].map(([key, value]) => `${key}=${name(value)}`).join(", ")}`,
  ];
  return lines.join("\n");
}

function preview(data: ArrayLike<number | bigint>): string {
  const shown = Array.from({ length: Math.min(data.length, 8) }, (_, i) => String(data[i]));
  return `[${shown.join(", ")}${data.length > 8 ? ", …" : ""}]`;
}

function printAttribute(value: Attribute): string {
  if (value instanceof Float) return String(value.value);
  if (value instanceof Graph) return `graph ${value.name}`;
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return String(value);
  if ("dtype" in value) return `${value.dtype}${formatShape(value.shape)}`;
  return `[${Array.from(value as ArrayLike<unknown>).join(", ")}]`;
}
