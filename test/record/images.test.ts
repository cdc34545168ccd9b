import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import sharp from 'sharp';
import { recordLimits } from '../../src/core/limits.ts';
import type { Attachment, ImageFormat } from '../../src/message/types.ts';
import { imageSize } from '../../src/record/images.ts';
import { attachment, build } from './samples.ts';

const formats = ['jpeg', 'png', 'gif', 'webp', 'tiff', 'avif', 'bmp', 'ico', 'heic', 'svg'] as const;
const picture = () => sharp({ create: { width: 64, height: 48, channels: 3, background: 'red' } });

/** A real file of 64 x 48 pixels where sharp can write one, else what a reader of the header needs. */
async function image(format: ImageFormat): Promise<Buffer> {
  switch (format) {
    case 'bmp':
      return bmp(64, -48);
    case 'ico':
      return ico([16, 16], [64, 48]);
    case 'heic':
      return heic(64, 48);
    case 'svg':
      return Buffer.from(
        '<?xml version="1.0"?>\n<!-- > -->\n<svg xmlns="http://www.w3.org/2000/svg" width="64px" height=\'48\'/>',
      );
    default:
      return picture()[format]().toBuffer();
  }
}

function bmp(width: number, height: number): Buffer {
  const bytes = Buffer.alloc(54 + 3 * width * Math.abs(height));
  bytes.write('BM');
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  return bytes;
}

function ico(...sizes: (readonly [width: number, height: number])[]): Buffer {
  const bytes = Buffer.alloc(6 + 16 * sizes.length + 40);
  bytes.writeUInt16LE(1, 2);
  bytes.writeUInt16LE(sizes.length, 4);
  for (const [index, [width, height]] of sizes.entries()) {
    const entry = 6 + 16 * index;
    bytes.writeUInt8(width & 0xff, entry);
    bytes.writeUInt8(height & 0xff, entry + 1);
    bytes.writeUInt32LE(40, entry + 8);
    bytes.writeUInt32LE(6 + 16 * sizes.length, entry + 12);
  }
  return bytes;
}

function box(type: string, ...content: Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  const body = Buffer.concat(content);
  head.writeUInt32BE(8 + body.length);
  head.write(type, 4);
  return Buffer.concat([head, body]);
}

function ispe(width: number, height: number): Buffer {
  const content = Buffer.alloc(12);
  content.writeUInt32BE(width, 4);
  content.writeUInt32BE(height, 8);
  return box('ispe', content);
}

/** The boxes a phone writes around a thumbnail and a picture, without the pictures. */
function heic(width: number, height: number): Buffer {
  const container = box('ipco', ispe(8, 8), ispe(width, height), ispe(16, 2));
  const meta = box('meta', Buffer.alloc(4), box('hdlr', Buffer.alloc(24)), box('iprp', container));
  return Buffer.concat([box('ftyp', Buffer.from('heic\0\0\0\0mif1heic')), meta]);
}

/** A PNG header that promises more than there is. */
function pngHeader(width: number, height: number): Buffer {
  const ihdr = Buffer.alloc(13);
  ihdr.writeUInt32BE(width, 0);
  ihdr.writeUInt32BE(height, 4);
  ihdr.set([8, 2, 0, 0, 0], 8);
  const chunk = (type: string, data: Buffer): Buffer => {
    const bytes = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
    bytes.writeUInt32BE(data.length, 0);
    bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.length - 4);
    return bytes;
  };
  const data = chunk('IDAT', deflateSync(Buffer.alloc(1000)));
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', ihdr),
    data,
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

for (const format of formats) {
  test(`imageSize reads width and height of ${format}`, async () => {
    assert.deepEqual(await imageSize(format, await image(format)), { width: 64, height: 48 });
  });

  test(`imageSize of ${format} takes any octets, cut anywhere or changed anywhere`, async () => {
    const whole = await image(format);
    assert.equal(await imageSize(format, Buffer.alloc(0)), undefined);
    const header = whole.subarray(0, Math.min(whole.length, 400));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(header.length),
        fc.nat(header.length - 1),
        fc.nat(255),
        async (end, at, value) => {
          const changed = Buffer.from(whole.subarray(0, end));
          if (at < end) changed[at] = value;
          const size = await imageSize(format, changed);
          for (const side of [size?.width ?? 1, size?.height ?? 1])
            assert.ok(Number.isSafeInteger(side) && side >= 0);
        },
      ),
      { numRuns: 100 },
    );
  });

  test(`imageSize does not take zeros, text or random octets for ${format}`, async () => {
    for (const bytes of [Buffer.alloc(500), Buffer.from('plain text '.repeat(50)), Buffer.alloc(500, 0xa5)]) {
      assert.equal(await imageSize(format, bytes), undefined);
    }
  });
}

for (const [format, octets] of [
  ['jpeg', -20],
  ['png', 97],
  ['png', 33],
  ['gif', 13],
  ['webp', 46],
  ['bmp', 30],
] as const) {
  test(`imageSize takes a ${format} of which the capture has ${octets < 0 ? 'not the last' : 'the first'} ${Math.abs(octets)} octets`, async () => {
    const cut = (await image(format)).subarray(0, octets);
    assert.deepEqual(await imageSize(format, cut), { width: 64, height: 48 });
  });
}

test('imageSize takes no PNG whose header has a wrong check sum', async () => {
  const changed = Buffer.from((await image('png')).subarray(0, 33));
  changed.writeUInt32BE(65, 16);
  assert.equal(await imageSize('png', changed), undefined);
});

test('imageSize finds the frame header of a JPEG behind metadata, fill octets and tables', async () => {
  const plain = await picture().jpeg({ progressive: true }).toBuffer();
  const comment = Buffer.concat([
    Buffer.from([0xff, 0xff, 0xff, 0xfe, 0xff, 0xfe]),
    Buffer.alloc(65_532, 0xff),
  ]);
  const frame = plain.indexOf(Buffer.from([0xff, 0xc2]));
  const behindMetadata = Buffer.concat([plain.subarray(0, 2), comment, comment, plain.subarray(2)]);
  assert.deepEqual(await imageSize('jpeg', behindMetadata), { width: 64, height: 48 });
  assert.deepEqual(await imageSize('jpeg', plain.subarray(0, frame + 9)), { width: 64, height: 48 });
  assert.equal(await imageSize('jpeg', plain.subarray(0, frame + 8)), undefined);
});

test('imageSize reads the WebP kinds without their pixels', async () => {
  const lossless = await picture().webp({ lossless: true }).toBuffer();
  const extended = await sharp({ create: { width: 64, height: 48, channels: 4, background: '#f008' } })
    .webp()
    .toBuffer();
  assert.equal(extended.toString('latin1', 12, 16), 'VP8X');
  assert.equal(lossless.toString('latin1', 12, 16), 'VP8L');
  for (const whole of [lossless, extended]) {
    assert.deepEqual(await imageSize('webp', whole.subarray(0, 30)), { width: 64, height: 48 });
  }
});

for (const [what, text, expected] of [
  ['without a size', '<svg viewBox="0 0 1 1">', { width: null, height: null }],
  ['with a size in per cent', '<svg width="100%" height="5em">', { width: null, height: null }],
  ['with a prefix and line ends', '<s:svg\n width = "7"\n height="8.5">', { width: 7, height: 8 }],
  [
    'with the size of something inside it',
    '<svg><rect width="7" height="8"/></svg>',
    { width: null, height: null },
  ],
  ['that is only named so', '<svgx width="7">', undefined],
  ['that is HTML', '<html><body>', undefined],
] as const) {
  test(`imageSize of an SVG ${what}`, async () => {
    assert.deepEqual(await imageSize('svg', Buffer.from(text)), expected);
  });
}

test('imageSize gives an SVG to no XML parser: entities stay text, however long the file', async () => {
  const entities = Array.from(
    { length: 20 },
    (_, index) => `<!ENTITY e${index + 1} "${`&e${index};`.repeat(100)}">`,
  );
  const bomb = `<!DOCTYPE svg [<!ENTITY e0 "lol">${entities.join('')}]><svg width="1" height="2">&e20;</svg>`;
  assert.deepEqual(await imageSize('svg', Buffer.from(bomb)), { width: 1, height: 2 });
  assert.equal(await imageSize('svg', Buffer.from('<'.repeat(50_000_000))), undefined);
  const far = `${' '.repeat(65_536)}<svg width="1" height="2">`;
  assert.equal(await imageSize('svg', Buffer.from(far)), undefined);
});

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const withFiles = (...attachments: Attachment[]) => build({}, { attachments });

test('buildRecord writes an image with its octets as sent and the extension of its real format', async () => {
  const bytes = await image('jpeg');
  const { record, images, anomalies } = await withFiles(
    attachment({
      name: 'C:\\x\\猫 1.PNG',
      declaredType: 'application/octet-stream',
      bytes,
      imageFormat: 'jpeg',
    }),
  );
  const key = record.detail.mail_key.slice(0, 12);
  const path = `two.pcapng/猫 1-${key}-1-${sha256(bytes).slice(0, 8)}.jpg`;
  assert.deepEqual(images, [{ path, bytes }]);
  assert.equal(record.columns.image_sign, 1);
  assert.deepEqual(record.detail.attachments, []);
  assert.deepEqual(record.detail.images, [
    {
      sha256: sha256(bytes),
      bytes: bytes.length,
      format: 'jpeg',
      width: 64,
      height: 48,
      name: 'C:\\x\\猫 1.PNG',
      path: `image/${path}`,
    },
  ]);
  assert.deepEqual(anomalies, []);
});

test('buildRecord lists what is no image as an attachment', async () => {
  const bytes = Buffer.from('%PDF-1.7');
  const { record, images } = await withFiles(
    attachment({ name: undefined, declaredType: 'application/pdf', bytes }),
  );
  assert.deepEqual(images, []);
  assert.equal(record.columns.image_sign, 0);
  const file = {
    sha256: sha256(bytes),
    bytes: 8,
    format: 'application/pdf',
    width: null,
    height: null,
    name: null,
    path: null,
  };
  assert.deepEqual(record.detail.attachments, [file]);
});

test('buildRecord counts what begins like an image and is none, and keeps it as an attachment', async () => {
  const bytes = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.alloc(100)]);
  const { record, images, anomalies } = await withFiles(attachment({ bytes, imageFormat: 'png' }));
  assert.deepEqual(images, []);
  assert.equal(record.columns.image_sign, 0);
  assert.equal(record.columns.parse_sign, 1);
  assert.deepEqual(
    record.detail.attachments.map(({ format, path }) => [format, path]),
    [['image/png', null]],
  );
  assert.deepEqual(
    anomalies.map(({ code }) => code),
    ['record.image-invalid'],
  );
});

for (const [width, height, taken] of [
  [25_000, 10_000, true],
  [25_000, 10_001, false],
  [20_000, 20_000, false],
  [2_147_483_647, 2_147_483_647, false],
] as const) {
  test(`buildRecord ${taken ? 'takes' : 'refuses'} an image that claims ${width} x ${height} pixels`, async () => {
    assert.equal(width * height <= recordLimits.imagePixelsMax, taken);
    const { images, anomalies } = await withFiles(
      attachment({ bytes: pngHeader(width, height), imageFormat: 'png' }),
    );
    assert.equal(images.length, taken ? 1 : 0);
    assert.equal(anomalies.length, taken ? 0 : 1);
    assert.match(anomalies[0]?.code ?? '', taken ? /^$/ : /^record\.image-(?:limit|invalid)$/);
  });
}

test('buildRecord writes as many images of a mail as its limit says and counts the others', async () => {
  const bytes = bmp(1, 1);
  const file = attachment({ bytes, imageFormat: 'bmp' });
  const { record, images, anomalies } = await withFiles(
    ...Array<Attachment>(recordLimits.imagesMax + 2).fill(file),
  );
  assert.equal(images.length, recordLimits.imagesMax);
  assert.equal(new Set(images.map(({ path }) => path)).size, recordLimits.imagesMax);
  assert.equal(record.detail.attachments.length, 2);
  assert.deepEqual(
    anomalies.map(({ code }) => code),
    ['record.image-limit', 'record.image-limit'],
  );
});

test('buildRecord gives the same images the same names again, and other mails other names', async () => {
  const file = attachment({ name: '../../etc/cron.d/x', bytes: bmp(2, 2), imageFormat: 'bmp' });
  const paths = async (sequence: number) =>
    (await build({ firstSequence: sequence }, { attachments: [file, file] })).images.map(({ path }) => path);
  const [one, again, other] = [await paths(1), await paths(1), await paths(2)];
  assert.deepEqual(one, again);
  assert.equal(new Set([...one, ...other]).size, 4);
  for (const path of one) assert.match(path, /^two\.pcapng\/x-[0-9a-f]{12}-[12]-[0-9a-f]{8}\.bmp$/);
});

test('buildRecord gives a damaged image and the whole one of the same mail two names', async () => {
  const whole = await image('jpeg');
  const paths = async (bytes: Buffer) =>
    (await build({}, { attachments: [attachment({ bytes, imageFormat: 'jpeg' })] })).images.map(
      ({ path }) => path,
    );
  assert.notDeepEqual(await paths(whole), await paths(whole.subarray(0, -20)));
});

test('buildRecord keeps every path inside the image folder, whatever names are given', async () => {
  const bytes = bmp(1, 1);
  const unit = fc.constantFrom(...'/\\.:-\0\u202e\uff0f ', 'con', '猫', 'a');
  const name = fc.array(unit, { maxLength: 80 }).map((parts) => parts.join(''));
  await fc.assert(
    fc.asyncProperty(
      name,
      name,
      fc.constantFrom('image', 'image/', '/', '.'),
      async (given, capture, imageFolder) => {
        const { images, record } = await build(
          {},
          { attachments: [attachment({ name: given, bytes, imageFormat: 'bmp' })] },
          { captures: ['x', `dir/${capture}`], imageFolder },
        );
        const path = images[0]?.path ?? '';
        assert.match(path, /^[^/\\]+\/[^/\\]+\.bmp$/);
        for (const component of path.split('/')) {
          assert.ok(Buffer.byteLength(component) <= 255);
          assert.doesNotMatch(component, /^[.-]|[. ]$|[\0:]/);
        }
        assert.equal(record.detail.images[0]?.path, `${imageFolder.replace(/\/$/, '')}/${path}`);
      },
    ),
  );
});
