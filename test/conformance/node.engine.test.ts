import { conform } from "./conform.ts";
import { nodeSetting } from "./node.ts";
import { attempt } from "./suite.ts";

const setting = nodeSetting("cpu");

conform("onnxruntime-node on the CPU", (conformance) => attempt(conformance, setting));
