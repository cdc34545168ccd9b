/** What one mail lost on its way into a `Message`, and how much may still be decoded. */
import { type Anomaly, type AnomalyCode, anomaly } from '../core/anomaly.ts';
import { messageLimits } from '../core/limits.ts';
import type { TreeState } from './multipart.ts';

/** Decoding again and again what was decoded (mails in base64 in mails in base64) ends at this multiple of the mail. */
const decodedPerOctetMax = 4;
const decodedBytesMin = 1 << 20;
/** A mail can be damaged in every part; the first ones tell enough. */
const anomaliesMax = 100;

export class Loss {
  readonly anomalies: Anomaly[] = [];
  readonly tree: TreeState = {
    parts: 0,
    headerLimit: false,
    depthLimit: false,
    partLimit: false,
    parameterLimit: false,
    brokenLines: 0,
    headersCutOff: 0,
  };
  /** Offsets in `source` where octets are missing in the capture. */
  readonly #gaps: readonly number[];
  readonly #source: Buffer;
  #whole = true;
  #decodable: number;

  constructor(source: Buffer, gaps: readonly number[]) {
    this.#source = source;
    this.#gaps = gaps.toSorted((a, b) => a - b);
    this.#decodable = Math.min(
      Math.max(messageLimits.decodedBytesMax, source.length),
      source.length * decodedPerOctetMax + decodedBytesMin,
    );
    if (gaps.length > 0) this.#whole = false;
  }

  get whole(): boolean {
    return this.#whole;
  }

  /** Gaps of `buffer`: none but in the mail's own octets. */
  gapsOf(buffer: Buffer): readonly number[] {
    return buffer === this.#source ? this.#gaps : [];
  }

  /** Something odd that costs no content. */
  note(code: AnomalyCode, offset: number, detail: string): void {
    if (this.anomalies.length < anomaliesMax) this.anomalies.push(anomaly(code, `byte ${offset}`, detail));
  }

  /** Content was lost. */
  lost(code: AnomalyCode, offset: number, detail: string): void {
    this.#whole = false;
    this.note(code, offset, detail);
  }

  /** Whether `length` more octets may be decoded; they are counted. */
  mayDecode(length: number, offset: number): boolean {
    if (length <= this.#decodable) {
      this.#decodable -= length;
      return true;
    }
    this.lost('message.size-limit', offset, 'the decoded parts are larger than the mail allows');
    return false;
  }

  /** Takes over what the tree of entities noticed; called once, at the end. */
  addTree(): void {
    const { tree } = this;
    if (tree.headerLimit) this.lost('message.header-limit', 0, 'a header is larger than is read');
    if (tree.depthLimit) this.lost('message.depth-limit', 0, 'parts are nested deeper than is read');
    if (tree.partLimit) this.lost('message.part-limit', 0, 'more parts than are read');
    if (tree.parameterLimit) this.lost('message.parameter-limit', 0, 'more parameters than are read');
    if (tree.headersCutOff > 0) this.lost('message.structure-damaged', 0, 'the mail ends inside a header');
    if (tree.brokenLines > 0) {
      this.note('message.structure-damaged', 0, `${tree.brokenLines} header lines are no field`);
    }
  }
}
