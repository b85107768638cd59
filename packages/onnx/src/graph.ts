// Builds an ONNX graph step by step: nodes with readable names, constants, and branches. It knows no network.
// A branch reads what the graphs around it made, so that it has no inputs; its constants are its own.
import type { Attribute, ElementType, GraphData, NodeData, TensorData } from "./model-proto";

/** The name of a tensor. */
export type Value = string;

/** Whether a branch is taken: decided when the model runs, or already now. */
export type Condition = Value | boolean;

/** A node's settings: integers, lists of them and texts as such; floats have to say so. */
export type Settings = Readonly<Record<string, number | readonly number[] | string | Attribute>>;

/** A graph under construction, seen from one place in the hierarchy of names. */
export interface Scope {
  /** The same graph, with names below `name`. */
  at(name: string): Scope;
  /** Adds a node with one output. */
  op(type: string, inputs: readonly Value[], settings?: Settings, name?: string): Value;
  /** Adds a node with several outputs. */
  ops(type: string, inputs: readonly Value[], outputs: number, settings?: Settings, name?: string): Value[];
  /** An int64 constant; a number alone has rank 0. */
  ints(values: number | readonly number[], shape?: readonly number[]): Value;
  /** A float constant; a number alone has rank 0. */
  floats(values: number | ArrayLike<number>, shape?: readonly number[]): Value;
  /** A float constant with a name of its own. */
  weight(name: string, data: Float32Array, shape: readonly number[]): Value;
  /** Makes a value in the branch that the condition takes; a condition known now leaves no branch behind. */
  when(condition: Condition, name: string, then: (branch: Scope) => Value, otherwise: (branch: Scope) => Value): Value;
  /** The finished graph. */
  finish(name: string, ends: Pick<GraphData, "inputs" | "outputs" | "values">): GraphData;
}

function toAttribute(setting: number | readonly number[] | string | Attribute): Attribute {
  if (typeof setting === "number") return { int: setting };
  if (typeof setting === "string") return { text: setting };
  return "length" in setting ? { ints: setting } : setting;
}

const int64 = (values: readonly number[]) => BigInt64Array.from(values, (v) => BigInt(v));

// One graph; `used` counts the names of the whole model, in which each is unique.
function createGraph(used: Map<string, number>, prefix: string): Scope {
  const nodes: NodeData[] = [];
  const made = new Set<Value>();
  const initializers = new Map<string, TensorData>();
  const known = new Map<string, Value>();

  const unique = (name: string): string => {
    const count = used.get(name) ?? 0;
    used.set(name, count + 1);
    return count === 0 ? name : unique(`${name}.${count}`);
  };

  const constant = (tensor: TensorData, label: string): Value => {
    const key = `${tensor.type}[${tensor.shape}]${tensor.data}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const name = unique(label);
    initializers.set(name, tensor);
    known.set(key, name);
    return name;
  };

  const view = (base: string): Scope => {
    const full = (name: string) => (base === "" ? name : `${base}/${name}`);
    const scope: Scope = {
      at: (name) => view(full(name)),
      op: (type, inputs, settings, name) => scope.ops(type, inputs, 1, settings, name)[0]!,
      ops: (type, inputs, outputs, settings = {}, name = type.toLowerCase()) => {
        const own = unique(full(name));
        const values = outputs === 1 ? [own] : Array.from({ length: outputs }, (_, i) => unique(`${own}:${i}`));
        const attributes = Object.fromEntries(
          Object.entries(settings).map(([key, value]) => [key, toAttribute(value)]),
        );
        nodes.push({ name: own, type, inputs, outputs: values, attributes });
        for (const value of values) made.add(value);
        return values;
      },
      ints: (values, shape) => {
        const list = typeof values === "number" ? [values] : values;
        const own = shape ?? (typeof values === "number" ? [] : [values.length]);
        return constant({ type: "int64", shape: own, data: int64(list) }, full("ints"));
      },
      floats: (values, shape) => {
        const data = typeof values === "number" ? Float32Array.of(values) : Float32Array.from(values);
        const own = shape ?? (typeof values === "number" ? [] : [data.length]);
        return constant({ type: "float", shape: own, data }, full("floats"));
      },
      weight: (name, data, shape) => {
        const own = unique(full(name));
        initializers.set(own, { type: "float", shape, data });
        return own;
      },
      when: (condition, name, then, otherwise) => {
        if (typeof condition === "boolean") return (condition ? then : otherwise)(scope);
        const branch = (label: string, fill: (branch: Scope) => Value): Attribute => {
          const graph = createGraph(used, full(name));
          const value = fill(graph);
          return { graph: graph.finish(full(`${name}/${label}`), outputsOf(value)) };
        };
        const branches = { then_branch: branch("open", then), else_branch: branch("closed", otherwise) };
        return scope.op("If", [condition], branches, name);
      },
      finish: (name, ends) => {
        // What a graph gives must be made in it.
        const outputs = ends.outputs.map((output) => {
          if (made.has(output.name)) return output;
          return { ...output, name: scope.op("Identity", [output.name], {}, "given") };
        });
        return { name, nodes, initializers, ...ends, outputs };
      },
    };
    return scope;
  };
  return view(prefix);
}

function outputsOf(name: Value): Pick<GraphData, "inputs" | "outputs" | "values"> {
  const type: ElementType = "float";
  return { inputs: [], outputs: [{ name, type }], values: [] };
}

/**
 * Starts an empty model.
 *
 * @returns its main graph, to be filled
 * @example const graph = createScope(); graph.op("Relu", ["images"]);
 */
export function createScope(): Scope {
  return createGraph(new Map(), "");
}
