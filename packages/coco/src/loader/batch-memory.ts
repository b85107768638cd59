// Memory of batches that were given back. Fresh memory costs a page fault every 4 KB, which is more than normalising
// an image into it; memory that moves between threads counts as an allocation on both sides and calls the garbage
// collector, so that a thread gets shared memory.

/** Room for a batch; shared where a thread makes it. */
export type BatchMemory = ArrayBuffer | SharedArrayBuffer;

/** Memory for one batch, before or after use. */
export interface MemoryPiece {
  readonly memory: BatchMemory;
  /** Whether its content is whatever was there, not zeros. */
  readonly used: boolean;
}

/** Room for values. */
export interface BatchRoom {
  readonly values: Float32Array;
  readonly used: boolean;
}

/**
 * Room for a batch, in the given memory where that is large enough.
 *
 * @param length numbers needed
 * @param piece memory, or none
 */
export function takeRoom(length: number, piece?: MemoryPiece): BatchRoom {
  if (piece && piece.memory.byteLength >= length * 4) {
    return { values: new Float32Array(piece.memory, 0, length), used: piece.used };
  }
  return { values: new Float32Array(length), used: false };
}

/** A shelf for memory that was given back. */
export interface MemoryShelf {
  /** The smallest piece that holds so many numbers, off the shelf; undefined where there is none. */
  take(length: number): MemoryPiece | undefined;
  /** Puts a batch's memory on the shelf. */
  reclaim(images: Float32Array): void;
  clear(): void;
}

/**
 * Makes a shelf.
 *
 * @param most how many pieces it holds; with `shared`, how many there are at all
 * @param shared whether pieces are made here, as shared memory, once the first batch was given back: who gives none
 *   back gets none, for the garbage collector does not see its size
 */
export function memoryShelf(most: number, shared = false): MemoryShelf {
  const pieces: BatchMemory[] = [];
  let sharing = false;
  let made = 0;

  function makeShared(length: number): MemoryPiece | undefined {
    if (!sharing) return undefined;
    // A piece that lies here is too small, or it would have been taken.
    if (made === most && pieces.shift()) made--;
    if (made === most) return undefined;
    made++;
    return { memory: new SharedArrayBuffer(length * 4), used: false };
  }

  return {
    take(length) {
      const at = pieces.findIndex(({ byteLength }) => byteLength >= length * 4);
      return at < 0 ? makeShared(length) : { memory: pieces.splice(at, 1)[0]!, used: true };
    },
    reclaim({ buffer }) {
      sharing = shared;
      if (buffer instanceof SharedArrayBuffer !== shared || pieces.includes(buffer)) return;
      pieces.push(buffer);
      pieces.sort((a, b) => a.byteLength - b.byteLength);
      if (pieces.length > most) pieces.shift();
    },
    clear() {
      pieces.length = 0;
    },
  };
}
