/**
 * Asks the runtime to look for garbage sooner while much is alive. Left alone it lets a heap of 150 MB grow to
 * three times that before it looks, which is fast where memory is plenty. Results do not depend on it.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { pipelineLimits } from '../../core/limits.ts';

let isTight = false;

/** To be called now and then; costs a microsecond. */
export function adaptHeapGrowth(): void {
  const wasTight = isTight;
  isTight = getHeapStatistics().used_heap_size > pipelineLimits.relaxedHeapBytes;
  if (isTight === wasTight) return;
  // 0 leaves it to the runtime. It reads the flag each time it is about to decide how far the heap may grow.
  setFlagsFromString(`--heap-growing-percent=${isTight ? pipelineLimits.heapGrowthPercent : 0}`);
}
