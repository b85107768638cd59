// The Python packages that evaluate COCO boxes: how each is called as its own documentation does it, and how its threads are set.

/** A package of the Python package index. */
export interface PeerEvaluator {
  readonly name: string;
  /** Numbers of threads to run it with. */
  readonly threads: readonly number[];
  /** Whether a run takes many seconds. */
  readonly slow: boolean;
  /** Environment that sets its threads. */
  env(threads: number): Readonly<Record<string, string>>;
}

const rayon = (threads: number) => ({ RAYON_NUM_THREADS: String(threads) });

export const PEER_EVALUATORS: readonly PeerEvaluator[] = [
  { name: "pycocotools", threads: [1], slow: true, env: () => ({}) },
  { name: "faster-coco-eval", threads: [1], slow: true, env: () => ({ OMP_NUM_THREADS: "1" }) },
  { name: "hotcoco", threads: [1, 2], slow: false, env: rayon },
  { name: "ultrafast-pycocotools", threads: [1, 2], slow: false, env: rayon },
  // It takes num_threads; the pool's variable keeps the rest of it to as many.
  { name: "vernier", threads: [1, 2], slow: false, env: rayon },
];

/** Evaluates with one of them: `python SCRIPT NAME GT DT THREADS` prints `{"stats": [12]}` on its last line. */
export const PEER_SCRIPT = `
import contextlib, io, json, sys

name, gt, dt, threads = sys.argv[1:5]


def classic(COCO, COCOeval):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(gt)
        evaluation = COCOeval(truth, truth.loadRes(dt), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


if name == "pycocotools":
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    stats = classic(COCO, COCOeval)
elif name == "faster-coco-eval":
    from faster_coco_eval import COCO, COCOeval_faster

    stats = classic(COCO, COCOeval_faster)
elif name == "hotcoco":
    from hotcoco import COCO, COCOeval

    stats = classic(COCO, COCOeval)
elif name == "ultrafast-pycocotools":
    from ultrafast_pycocotools import COCO, COCOeval

    stats = classic(COCO, COCOeval)
elif name == "vernier":
    from vernier.instance import Bbox, Evaluator

    with open(gt, "rb") as truth, open(dt, "rb") as found:
        stats = Evaluator(iou=Bbox()).evaluate(truth.read(), found.read(), num_threads=int(threads)).stats
print(json.dumps({"stats": [float(value) for value in stats][:12]}))
`;
