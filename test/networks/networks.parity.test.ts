/** The study note's networks, and those of papers, against PyTorch; suite.ts says how. */
import { describe } from "vitest";
import { pythonSkipReason } from "../support/python.ts";
import { shared, unless } from "../support/skip.ts";
import { NOTE, PAPERS } from "./cases.ts";
import { suite } from "./suite.ts";

const noTorch = pythonSkipReason("torch");
const noNote = shared("seed/note_models.py").reason;
describe("the note's networks", unless(noTorch ?? noNote), () => suite(NOTE, ["torch"]));

describe("networks of papers", unless(noTorch), () => suite(PAPERS, ["torch"]));
