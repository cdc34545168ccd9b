import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { sheetLimits } from '../../src/core/limits.ts';
import { sheetOfCaptures, sheetOfDay } from '../../src/pipeline/contact-sheet/make-sheet.ts';
import { makeThumbnail } from '../../src/record/thumbnail.ts';
import type { FileDetail } from '../../src/record/types.ts';
import { openStore } from '../../src/store/open-store.ts';
import { day, type RecordChanges, sampleRecord } from '../store/samples.ts';
import { fixturesFolder } from '../support/fixture.ts';
import { inTemporaryFolder, runMailproc } from '../support/run-mailproc.ts';

const png = await sharp({ create: { width: 40, height: 30, channels: 3, background: 'red' } })
  .png()
  .toBuffer();
const svg = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>',
);

/** As it is stored, and its file in the image folder of `folder`. */
function imageIn(folder: string, name: string, bytes: Buffer, format: string): FileDetail {
  mkdirSync(join(folder, 'image/a.pcapng'), { recursive: true });
  writeFileSync(join(folder, 'image/a.pcapng', name), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const path = `elsewhere/image/a.pcapng/${name}`;
  return { sha256, bytes: bytes.length, format, width: 40, height: 30, name, path };
}

async function storeOf(folder: string, mails: readonly RecordChanges[]): Promise<string> {
  const url = `sqlite:${join(folder, 'mail.sqlite')}`;
  const sink = await openStore(url);
  await sink.open();
  await sink.write(
    mails.map((changes, index) =>
      sampleRecord(index + 1, { ...changes, columns: { image_sign: 1, ...changes.columns } }),
    ),
  );
  await sink.close();
  return url;
}

const sheetIn = (folder: string, store: string, name = 'sheet.html') =>
  sheetOfDay(store, day, join(folder, 'image'), join(folder, name));

test('sheetOfDay shows each different image once, small, with its first mail', () =>
  inTemporaryFolder(async (folder) => {
    const images = [imageIn(folder, '猫.png', png, 'png')];
    const columns = { mail_subject: '三月份报价', mail_from: 'z@example.cn' };
    const store = await storeOf(folder, [
      { columns, detail: { images } },
      { detail: { images } },
      { columns: { image_sign: 0 } },
    ]);
    const sheet = await sheetIn(folder, store);
    assert.deepEqual(sheet, {
      files: [join(folder, 'sheet.html')],
      mails: 2,
      images: 2,
      different: 1,
      leftOut: 0,
    });
    const html = readFileSync(sheet.files[0] ?? '', 'utf8');
    assert.equal(html.match(/<figure>/g)?.length, 1);
    for (const text of [
      '三月份报价',
      'z@example.cn',
      'PNG 40 × 30',
      'seen 2 times',
      images[0]?.sha256 ?? '-',
    ])
      assert.ok(html.includes(text), text);
    const [, base64 = ''] = /src="data:image\/webp;base64,([^"]+)"/.exec(html) ?? [];
    const { width, height } = await sharp(Buffer.from(base64, 'base64')).metadata();
    assert.deepEqual([width, height], [40, 30]);
    assert.ok(html.includes(`href="image/a.pcapng/${encodeURIComponent('猫.png')}"`));
    assert.equal(statSync(sheet.files[0] ?? '').mode & 0o777, 0o600);
  }));

test('sheetOfDay lets no mail put markup, script or a foreign address into the page', () =>
  inTemporaryFolder(async (folder) => {
    const hostile = `"><script>alert(1)</script><img src=x onerror='a'>&lt;\u202e\ud800`;
    const image = { ...imageIn(folder, 'a.png', png, 'png'), name: hostile, format: hostile };
    const columns = { mail_subject: hostile, mail_from: hostile, mail_to: hostile, timestamp: hostile };
    const store = await storeOf(folder, [{ columns, detail: { images: [image] } }]);
    const { files } = await sheetIn(folder, store);
    const html = readFileSync(files[0] ?? '', 'utf8');
    assert.doesNotMatch(html, /<script|<img src=x|onerror='/i);
    assert.match(html, /default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-/);
    assert.deepEqual([...new Set(html.match(/<[a-z][a-z0-9]*/g))].sort(), [
      ...['<a', '<bdi', '<body', '<code', '<div', '<figcaption', '<figure', '<h1', '<head', '<html', '<main'],
      ...['<meta', '<p', '<small', '<span', '<strong', '<style', '<title'],
    ]);
    const [, policy = ''] = /sha256-([^&]+)&/.exec(html) ?? [];
    const [, style = ''] = /<style>([^<]*)<\/style>/.exec(html) ?? [];
    assert.equal(createHash('sha256').update(style).digest('base64'), policy, 'the page shows its own style');
  }));

test('sheetOfDay says so where a file is gone, was changed, or is a link', () =>
  inTemporaryFolder(async (folder) => {
    const [gone, changed, longer, link] = ['gone', 'changed', 'longer', 'link'].map((name, index) => ({
      ...imageIn(folder, `${name}.png`, png, 'png'),
      sha256: String(index).repeat(64),
      path: name === 'gone' ? 'x/y' : `image/a.pcapng/${name}.png`,
    }));
    assert.ok(gone && changed && longer && link);
    writeFileSync(join(folder, 'image/a.pcapng/longer.png'), Buffer.concat([png, png]));
    symlinkSync('/dev/zero', join(folder, 'image/a.pcapng/link'));
    const images = [gone, changed, longer, { ...link, path: 'image/a.pcapng/link' }];
    const { files } = await sheetIn(folder, await storeOf(folder, [{ detail: { images } }]));
    const html = readFileSync(files[0] ?? '', 'utf8');
    assert.equal(html.match(/the file is not there/g)?.length, 2);
    assert.equal(html.match(/not the file that was stored/g)?.length, 2);
  }));

test('sheetOfDay neither draws nor links an SVG', () =>
  inTemporaryFolder(async (folder) => {
    const store = await storeOf(folder, [{ detail: { images: [imageIn(folder, 'a.svg', svg, 'svg')] } }]);
    const html = readFileSync((await sheetIn(folder, store)).files[0] ?? '', 'utf8');
    assert.match(html, /no preview of this image/);
    assert.doesNotMatch(html, /<a |<img/);
    assert.equal(await makeThumbnail(svg, 'svg'), undefined);
    assert.ok(await makeThumbnail(png, 'png'));
  }));

test('sheetOfDay goes on to a second page and links the pages', () =>
  inTemporaryFolder(async (folder) => {
    const count = sheetLimits.tilesPerPage + 1;
    const images = Array.from({ length: count }, (_, index) => ({
      ...{ bytes: 1, format: 'png', width: 1, height: 1, name: null, path: null },
      sha256: index.toString(16).padStart(64, '0'),
    }));
    const store = await storeOf(folder, [{ detail: { images } }]);
    const { files } = await sheetIn(folder, store);
    assert.deepEqual(files, [join(folder, 'sheet.html'), join(folder, 'sheet-2.html')]);
    const [first = '', second = ''] = files.map((file) => readFileSync(file, 'utf8'));
    assert.equal(first.match(/<figure>/g)?.length, sheetLimits.tilesPerPage);
    assert.equal(second.match(/<figure>/g)?.length, 1);
    assert.ok(
      first.includes('<a href="sheet-2.html">2</a>') && second.includes('<a href="sheet.html">1</a>'),
    );
  }));

test('sheetOfDay draws a WebP picture, whatever the mails say', () =>
  inTemporaryFolder(async (folder) => {
    const words = ['三月份报价\u0000\u202e', '<svg onload="x">&amp;', '\ud800\ufffe', '😀'.repeat(500), ''];
    const images = (index: number) => [
      imageIn(
        folder,
        `${index}.png`,
        index === 0 ? png : Buffer.concat([png, Buffer.from(`${index}`)]),
        'png',
      ),
    ];
    const mails = words.map((word, index) => ({
      columns: { mail_subject: word, mail_from: word },
      detail: { images: images(index) },
    }));
    const { files } = await sheetIn(folder, await storeOf(folder, mails), 'sheet.webp');
    const picture = sharp(readFileSync(files[0] ?? ''));
    const { format, width } = await picture.metadata();
    assert.deepEqual([format, width], ['webp', 1524]);
    // The middle of the first thumbnail.
    const pixel = await picture.extract({ left: 132, top: 160, width: 1, height: 1 }).raw().toBuffer();
    assert.ok(
      (pixel[0] ?? 0) > 200 && (pixel[1] ?? 255) < 60,
      `red expected, found ${pixel.toString('hex')}`,
    );
  }));

/** A PNG of a few octets that claims to be as large as it can. */
function pngBomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 1], 8);
  const data = deflateSync(Buffer.alloc(1 << 20));
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', data),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

test('makeThumbnail decodes no image above its bound of pixels, and nothing that is none', async () => {
  assert.equal(await makeThumbnail(pngBomb(30_000, 30_000), 'png'), undefined);
  assert.equal(await makeThumbnail(Buffer.from('no image'), 'jpeg'), undefined);
  assert.equal(await makeThumbnail(Buffer.alloc(0), 'png'), undefined);
  const cut = await makeThumbnail(png.subarray(0, png.length - 20), 'png');
  assert.equal(cut?.width, 40);
});

test('sheetOfCaptures shows the images of a capture and leaves nothing else behind', () =>
  inTemporaryFolder(async (folder) => {
    const job = {
      root: join(fixturesFolder, 'smtp-bdat/capture.pcapng'),
      ...{ day, timeZone: 'UTC', ports: new Map(), keyLogFile: undefined },
    };
    const silent = { progress: () => undefined, anomaly: () => undefined };
    const { signal } = new AbortController();
    const sheet = await sheetOfCaptures(job, join(folder, 'sheet.html'), silent, signal);
    assert.ok(sheet.images > 0);
    assert.deepEqual(readdirSync(folder), ['sheet.html']);
    const html = readFileSync(join(folder, 'sheet.html'), 'utf8');
    assert.match(html, /<img alt="" loading="lazy" src="data:image\/webp/);
    assert.doesNotMatch(html, /<a /);
  }));

test('mailproc images says what it found, and which stores and names it takes', () =>
  inTemporaryFolder(async (folder) => {
    const store = await storeOf(folder, [{ detail: { images: [imageIn(folder, 'a.png', png, 'png')] } }]);
    const run = (...argv: string[]) => runMailproc(folder, 'images', ...argv);
    const found = await run('20220128', '--store', store);
    assert.equal(
      found.stdout,
      'images: 1, different: 1, mails with images: 1; see images.html\n',
      found.stderr,
    );
    assert.match(readFileSync(join(folder, 'images.html'), 'utf8'), /<figure>/);
    const none = await run('20220129', '--store', store, '--output', 'none.html');
    assert.deepEqual([none.status, none.stdout], [0, 'no image in 20220129\n']);
    assert.ok(!readdirSync(folder).includes('none.html'));
    const wrong = await run('20220128', '--store', store, '--output', 'a.png');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /neither \.html nor \.webp/);
    assert.equal((await run('20220128', '--store', 'sqlite:none')).status, 1);
  }));
