/** What the page asks of the worker that trains, and what the worker tells it: plain data. */
import type { Edit, Source } from "../bench/protocol.ts";
import type { Device, EngineInfo } from "../engine/protocol.ts";

/** Images to train with: generated, or imported and kept in the browser's storage. */
export type DataSpec =
  | { readonly kind: "shapes"; readonly images: number }
  | { readonly kind: "stored"; readonly id: string };

/** A data set as the page shows it. */
export interface DataInfo {
  readonly id: string;
  readonly name: string;
  /** What a recipe calls its kind: "image-folder", "cifar10", "idx". */
  readonly format: string;
  readonly classes: readonly string[];
  /** Shape of one image. */
  readonly shape: readonly [C: number, H: number, W: number];
  readonly images: number;
  /** Images of the test part; without one, a part is held out by seed. */
  readonly test: number;
  /** What was left out, as sentences. */
  readonly notes: readonly string[];
}

/** A network to train: a registered one or a file, with changed layers; or what code made, as a file, with the code. */
export type Trainee = Exclude<Source, { readonly kind: "code" }> & {
  readonly edits?: readonly Edit[];
  readonly code?: string;
};

/** The part of a training's settings that the page offers. */
export interface Settings {
  readonly inputSize: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly lr: number;
  readonly optimizer: "sgd" | "lars" | "adamw";
  readonly schedule: "constant" | "cosine" | "polynomial";
  readonly warmupEpochs: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  /** 0 does not clip. */
  readonly clipNorm: number;
  /** Share of the images held out; 0 where the data have a test part. */
  readonly validationFraction: number;
  readonly seed: number;
  /** Whether it has its batch normalization, and its auxiliary classifiers; both are true where there are none. */
  readonly normalization: boolean;
  readonly auxiliary: boolean;
}

/** Settings that somebody chose; the recipe decides the others. */
export type Asked = Partial<Settings>;

/** A network on data, as it would be trained. */
export interface Proposal {
  readonly settings: Settings;
  readonly classes: readonly string[];
  readonly input: readonly number[];
  readonly parameters: number;
  readonly macs: number;
  readonly train: number;
  readonly validation: number;
  /** What can be left out of the network, to see what it is good for. */
  readonly parts: { readonly normalization: boolean; readonly auxiliary: boolean };
}

/** What a new run trains. */
export interface Order {
  /** The network's name for people. */
  readonly title: string;
  readonly source: Trainee;
  readonly data: DataSpec;
  readonly asked: Asked;
  readonly device?: Device;
}

export type RunState = "running" | "paused" | "stopped" | "finished" | "diverged" | "failed";

/** A run as it is listed. */
export interface RunInfo {
  readonly id: string;
  readonly title: string;
  readonly data: string;
  readonly created: string;
  readonly state: RunState;
  /** What went wrong, if anything. */
  readonly problem?: string;
  readonly settings: Settings;
  readonly classes: readonly string[];
  readonly input: readonly number[];
  readonly parameters: number;
  readonly stepsPerEpoch: number;
  /** Steps done when it was saved last. */
  readonly step: number;
  readonly best?: { readonly epoch: number; readonly top1: number };
}

export interface StepRecord {
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly lr: number;
  readonly images: number;
  readonly seconds: number;
}

export interface EpochRecord {
  /** From 0. */
  readonly epoch: number;
  readonly step: number;
  readonly train: {
    readonly loss: number;
    readonly accuracy: number;
    readonly images: number;
    readonly seconds: number;
  };
  readonly validation: {
    readonly loss: number;
    readonly top1: number;
    readonly top5: number;
    readonly seconds: number;
    readonly images: number;
  };
  readonly utilisation: number;
  readonly best: boolean;
  /** Class that each image of the validation set was taken for. */
  readonly predicted: readonly number[];
  /** How sure the network was of its mistakes, in percent, by position in the validation set. */
  readonly sure: Readonly<Record<number, number>>;
}

/** Feature maps of a layer for one image: 0 … 255 with 128 for zero, and the largest magnitude at either end. */
export interface SeenMaps {
  readonly layer: string;
  readonly shape: readonly [count: number, H: number, W: number];
  readonly data: Uint8Array;
}

/** A run after a step: filters of the first convolution larger than 1×1, if there is one, gradients and feature maps. */
export interface Snapshot {
  readonly step: number;
  readonly filters?: {
    readonly shape: readonly [number, number, number, number];
    readonly data: Float32Array;
  };
  /** Norm of the gradient of each layer's weight in this step, from the input to the output. */
  readonly norms?: Readonly<Record<string, number>>;
  readonly maps: readonly SeenMaps[];
}

/** A run with all that was measured. */
export interface Course {
  readonly info: RunInfo;
  readonly steps: readonly StepRecord[];
  readonly epochs: readonly EpochRecord[];
  readonly moments: readonly Snapshot[];
  /** Class of each image of the validation set; missing if the data are gone. */
  readonly labels?: readonly number[];
}

/** What happens in a run, as it happens. */
export type TrainingEvent =
  | { readonly type: "compiling" }
  | { readonly type: "engine"; readonly engine: EngineInfo }
  | { readonly type: "step"; readonly step: StepRecord }
  | { readonly type: "evaluating"; readonly images: number; readonly total: number }
  | { readonly type: "epoch"; readonly epoch: EpochRecord }
  | { readonly type: "moment"; readonly snapshot: Snapshot }
  | { readonly type: "info"; readonly info: RunInfo };

export type Listener = (event: TrainingEvent) => void;

/** An image of a data set as pixels of a canvas. */
export interface Picture {
  readonly sample: number;
  readonly label: number;
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** Files that belong to a class. */
export interface ClassFiles {
  readonly name: string;
  readonly files: readonly File[];
}

/** "stage" is a file that the stage opens. */
export type ExportFormat = "safetensors" | "pth" | "onnx" | "report" | "code" | "pytorch" | "stage";

export interface ExportedFile {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** How a run goes on. */
export type Pace = "run" | "step";

/** What the worker answers. Every method may throw an Error with a message for people. */
export interface Trainer {
  datasets(): Promise<readonly DataInfo[]>;
  importImages(
    name: string,
    classes: readonly ClassFiles[],
    onProgress: (done: number, total: number) => void,
  ): Promise<DataInfo>;
  /** CIFAR-10's binary files, or idx files. */
  importFiles(files: readonly File[]): Promise<DataInfo>;
  removeData(id: string): Promise<void>;
  /** Some images of each class, to show what the data are. */
  preview(data: DataSpec, perClass: number): Promise<{ classes: readonly string[]; pictures: readonly Picture[] }>;
  propose(source: Trainee, data: DataSpec, asked: Asked): Promise<Proposal>;

  runs(): Promise<readonly RunInfo[]>;
  open(id: string): Promise<Course>;
  removeRun(id: string): Promise<void>;
  /** Images of the validation set of a run. */
  pictures(id: string, samples: readonly number[]): Promise<readonly Picture[]>;
  /** Writes down a new run; `go` starts it. */
  create(order: Order): Promise<RunInfo>;
  /** Lets a run go on until it ends or is paused, or for one step. Resolves when it rests, and everything is saved. */
  go(id: string, pace: Pace, listener: Listener): Promise<void>;
  /** Lets the current run rest after its step. */
  pause(): void;
  /** Ends the current run, or one that rests; its engine's memory is given back. */
  stop(id: string): Promise<RunInfo>;
  /** Saves the current run after its step, and lets it go on. */
  save(): void;
  exportRun(id: string, format: ExportFormat): Promise<ExportedFile>;
}
