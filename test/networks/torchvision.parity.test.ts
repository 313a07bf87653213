/** Torchvision's networks; suite.ts says how they are compared. */
import { describe } from "vitest";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { TORCHVISION } from "./cases.ts";
import { suite } from "./suite.ts";

const noTorchvision = pythonSkipReason("torch", "torchvision");
describe("torchvision's networks", unless(noTorchvision), () => suite(TORCHVISION, ["torch", "torchvision"]));
