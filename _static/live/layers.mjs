// A network as a list of layers in words, one a line: what comes out of each,
// what it holds, what it works, and how many pixels a unit of it sees. Shapes
// and counts are those of PyTorch; node runs this, too.
const WHOLE = /^\d+$/, WINDOW = /^(\d+)x(\d+)$/;
const PLAIN = ['relu', 'sigmoid', 'tanh', 'dropout', 'lrn', 'softmax'];
const HELP = 'Write for example: conv 64 3x3 stride 2 pad 1, max 3x3 stride 2, ' +
  'relu, bn, global avg, flatten, dense 10.';

const fail = (line, text) => {
  throw new RangeError(line ? `Line ${line}: ${text}` : text);
};

// A line's settings: the number after each of the names; `flags` have none.
function settings(words, line, names, flags = []) {
  const found = {};
  for (let i = 0; i < words.length; i++) {
    if (flags.includes(words[i])) found[words[i]] = true;
    else if (names.includes(words[i]) && WHOLE.test(words[i + 1] ?? '')) {
      found[words[i]] = Number(words[++i]);
    } else fail(line, `“${words[i]}” is not known here. ${HELP}`);
  }
  for (const name of ['stride', 'dilation', 'groups']) {
    if (found[name] === 0) fail(line, `${name} must be 1 or more.`);
  }
  return found;
}

function window(word, line) {
  const [, rows, columns] = WINDOW.exec(word ?? '') ?? fail(
    line, `a window such as 3x3 is missing. ${HELP}`);
  if (rows !== columns || !+rows) fail(line, 'windows here are square.');
  return +rows;
}

function channels(word, line) {
  if (!WHOLE.test(word ?? '') || !+word || +word > 1e5) {
    fail(line, 'the number of channels or units is missing, 1 to 100,000.');
  }
  return +word;
}

function readLine(text, line) {
  const [kind, ...words] = text.split(/\s+/);
  if (kind === 'conv') {
    return {kind, text, line, out: channels(words[0], line),
            k: window(words[1], line), stride: 1, pad: 0, dilation: 1,
            groups: 1, ...settings(words.slice(2), line, [
              'stride', 'pad', 'dilation', 'groups'], ['nobias'])};
  }
  if (kind === 'max' || kind === 'avg') {
    const k = window(words[0], line);
    return {kind: 'pool', text, line, k, stride: k, pad: 0, dilation: 1,
            ...settings(words.slice(1), line, ['stride', 'pad'], ['ceil'])};
  }
  if (kind === 'dense') {
    return {kind, text, line, out: channels(words[0], line),
            ...settings(words.slice(1), line, [], ['nobias'])};
  }
  if (text === 'global avg') return {kind: 'adaptive', text, line, size: 1};
  if (kind === 'adaptive') {
    return {kind, text, line, size: window(words[0], line)};
  }
  if (['bn', 'flatten', ...PLAIN].includes(text)) return {kind: text, text, line};
  return fail(line, `“${text.slice(0, 30)}” is no layer. ${HELP}`);
}

// The layers of a text. `branches {` holds several `branch {`, whose channels
// are put side by side; what stands in `residual {` is added to its input, or to
// what its `shortcut {` makes of it.
export function parse(text) {
  const root = {layers: []}, open = [root];
  text.split('\n').forEach((raw, i) => {
    const words = raw.replace(/#.*/, '').trim().toLowerCase(), line = i + 1;
    const [, name] = /^(\w+) *\{$/.exec(words) ?? [];
    if (!words) return;
    if (name) {
      const inside = open.at(-1).kind;
      const fits = name === 'branch' ? inside === 'branches'
        : name === 'shortcut' ? inside === 'residual'
          : name === 'branches' || name === 'residual';
      if (!fits) fail(line, `“${name} {” cannot stand here.`);
      open.push({kind: name, text: name, line, layers: []});
    } else if (words === '}') {
      if (open.length === 1) fail(line, 'this } closes nothing.');
      const block = open.pop();
      open.at(-1).layers.push(block);
    } else open.at(-1).layers.push(readLine(words, line));
  });
  if (open.length > 1) fail(open.at(-1).line, 'its } is missing.');
  if (!root.layers.length) fail(0, `The list is empty. ${HELP}`);
  return root.layers;
}

const product = numbers => numbers.reduce((a, b) => a * b, 1);

// What one layer makes of a shape, [channels, side] or [units].
function step(layer, {shape, field}) {
  const {kind, k, stride, pad, dilation, groups, out, line, text} = layer;
  const [c, side] = shape, flat = shape.length === 1;
  const same = {shape, field, parameters: 0, work: 0};
  if (kind === 'conv' || kind === 'pool') {
    if (flat) fail(line, `${text} needs maps, and these are units.`);
    const span = dilation * (k - 1) + 1, room = side + 2 * pad - span;
    if (kind === 'pool' && pad > k / 2) {
      fail(line, 'a pooling\'s pad can be half of its window at most.');
    }
    let size = Math[layer.ceil ? 'ceil' : 'floor'](room / stride) + 1;
    if (size < 1) {
      fail(line, `${text} needs ${span} pixels a side and gets ${
        side + 2 * pad}.`);
    }
    if (layer.ceil && (size - 1) * stride >= side + pad) size--;
    const next = {size: field.size + (span - 1) * field.jump,
                  jump: field.jump * stride};
    if (kind === 'pool') return {...same, shape: [c, size], field: next};
    if (c % groups || out % groups) {
      fail(line, `${c} and ${out} channels cannot be split into ${
        groups} groups.`);
    }
    const weights = c / groups * out * k * k;
    return {shape: [out, size], field: next,
            parameters: weights + (layer.nobias ? 0 : out),
            work: weights * size * size};
  }
  if (kind === 'dense') {
    if (!flat) fail(line, 'put flatten before the first dense layer.');
    return {shape: [out], field, work: c * out,
            parameters: c * out + (layer.nobias ? 0 : out)};
  }
  if (kind === 'bn') return {...same, parameters: 2 * c};
  if (kind === 'flatten' || kind === 'adaptive') {
    const all = {size: Infinity, jump: field.jump};
    if (kind === 'adaptive' && flat) fail(line, `${text} needs maps.`);
    return kind === 'adaptive'
      ? {...same, shape: [c, layer.size], field: all}
      : {...same, shape: [flat ? c : c * side * side], field: all};
  }
  return same;
}

// A row for each line, and the totals. `side` is that of the image.
export function measure(layers, side, inputs = 1) {
  const rows = [];
  const pass = (list, from, depth) => list.reduce((at, layer) => {
    const row = {text: layer.text, depth, line: layer.line};
    rows.push(row);
    const next = layer.layers ? block(layer, at, depth) : step(layer, at);
    return Object.assign(row, next, {numbers: next.shape.length === 1
      ? next.shape[0] : next.shape[0] * next.shape[1] ** 2});
  }, from);
  function block({kind, layers, line}, at, depth) {
    const still = {shape: at.shape, field: at.field};
    const begin = {...still, parameters: 0, work: 0};
    let ends;
    if (kind === 'branches') {
      ends = layers.map(layer => pass([layer], begin, depth + 1));
      if (!ends.length || layers.some(one => one.kind !== 'branch')) {
        fail(line, 'branches hold “branch {” and nothing else.');
      }
    } else if (kind === 'residual') {
      const way = layers.filter(one => one.kind !== 'shortcut');
      const cut = layers.filter(one => one.kind === 'shortcut');
      ends = [pass(way, begin, depth + 1), pass(cut, begin, depth + 1)];
    } else {
      const {shape, field} = pass(layers, begin, depth + 1);
      return {...begin, shape, field};
    }
    const [first] = ends;
    const size = Math.max(...ends.map(({field}) => field.size));
    const field = {...first.field, size};
    if (kind === 'branches') {
      if (ends.some(({shape}) => shape[1] !== first.shape[1])) {
        fail(line, `the branches end with ${ends.map(({shape}) => shape[1])
          .join(', ')} pixels a side and cannot be put side by side.`);
      }
      const sum = ends.reduce((n, {shape}) => n + shape[0], 0);
      return {shape: [sum, ...first.shape.slice(1)], field, parameters: 0,
              work: 0};
    }
    if (`${ends[0].shape}` !== `${ends[1].shape}`) {
      fail(line, `${ends.map(({shape}) => shape.join(' × ')).join(' and ')
      } cannot be added: change the shortcut.`);
    }
    return {shape: first.shape, field, parameters: 0, work: 0};
  }
  pass(layers, {shape: [inputs, side], field: {size: 1, jump: 1}}, 0);
  const total = name => rows.reduce((sum, row) => sum + row[name], 0);
  return {rows, parameters: total('parameters'), work: total('work'),
          numbers: rows.filter(row => !/^(branch|shortcut)$/.test(row.text))
            .reduce((sum, {numbers}) => sum + numbers, 0),
          shape: rows.at(-1).shape};
}

// The networks of the course, of papers, and of torchvision.
const conv = (c, k, s = 1, p = 0, more = '') => `conv ${c} ${k}x${k}` +
  (s > 1 ? ` stride ${s}` : '') + (p ? ` pad ${p}` : '') + more;
const pool = (k, s, p = 0, more = '') => `max ${k}x${k} stride ${s}` +
  (p ? ` pad ${p}` : '') + more;
const inside = (name, ...parts) => [`${name} {`, ...parts.flat(9).map(
  part => `  ${part}`), '}'];
const head = (units, classes, drop = true) => ['flatten', ...units.flatMap(
  n => [`dense ${n}`, 'relu', ...drop ? ['dropout'] : []]), `dense ${classes}`];

const alexnet = (classes, widths, first, end) => [
  conv(widths[0], 11, 4, first), 'relu', pool(3, 2),
  conv(widths[1], 5, 1, 2), 'relu', pool(3, 2),
  ...widths.slice(2).flatMap(c => [conv(c, 3, 1, 1), 'relu']), pool(3, 2),
  ...end, ...head([4096, 4096], classes)];

const vgg = (arch, classes, within = false) => [
  ...arch.flatMap(([n, c]) => [
    ...Array.from({length: n}, () => [conv(c, 3, 1, 1), 'relu',
                                      ...within ? [pool(2, 2)] : []]).flat(),
    ...within ? [] : [pool(2, 2)]]),
  ...head([4096, 4096], classes)];
const VGG11_SMALL = [[1, 16], [1, 32], [2, 64], [2, 128], [2, 128]];
const VGG11 = [[1, 64], [1, 128], [2, 256], [2, 512], [2, 512]];
const VGG16 = [[2, 64], [2, 128], [3, 256], [3, 512], [3, 512]];

const nin = [[96, 11, 4, 0], [256, 5, 1, 2], [384, 3, 1, 1], [10, 3, 1, 1]]
  .flatMap(([c, k, s, p], i) => [
    ...i === 3 ? ['dropout'] : [], conv(c, k, s, p), 'relu', conv(c, 1), 'relu',
    conv(c, 1), 'relu', i < 3 ? pool(3, 2) : 'global avg']).concat('flatten');

const WIDTHS = [
  [64, 96, 128, 16, 32, 32], [128, 128, 192, 32, 96, 64],
  [192, 96, 208, 16, 48, 64], [160, 112, 224, 24, 64, 64],
  [128, 128, 256, 24, 64, 64], [112, 144, 288, 32, 64, 64],
  [256, 160, 320, 32, 128, 128], [256, 160, 320, 32, 128, 128],
  [384, 192, 384, 48, 128, 128]];
// `theirs`: torchvision's, with normalization and, by an old mistake, 3x3 for
// 5x5. `paper`: as it was published, without the two outputs on the way.
function googlenet(classes, {theirs, paper} = {}) {
  const unit = (c, k, s = 1) => theirs
    ? [conv(c, k, s, k >> 1, ' nobias'), 'bn', 'relu']
    : [conv(c, k, s, k >> 1), 'relu'];
  const down = k => theirs || paper ? pool(theirs ? k : 3, 2, 0, ' ceil')
    : pool(3, 2, 1);
  const lrn = paper ? ['lrn'] : [];
  const block = ([c1, a, b, c, d, e]) => inside('branches', [
    [unit(c1, 1)], [unit(a, 1), unit(b, 3)], [unit(c, 1), unit(d, theirs ? 3 : 5)],
    [pool(3, 1, 1), unit(e, 1)]].map(way => inside('branch', way)));
  return [unit(64, 7, 2), down(3), lrn, unit(64, 1), unit(192, 3), lrn, down(3),
          ...WIDTHS.flatMap((widths, i) => [
            ...block(widths), ...i === 1 ? [down(3)] : i === 6 ? [down(2)] : []]),
          'global avg', 'flatten', theirs || paper ? ['dropout'] : [],
          `dense ${classes}`].flat(9);
}

// `theirs`: torchvision's, whose convolutions have no biases and whose
// convolutions on shortcuts are normalized.
function resnet(counts, widths, classes, {theirs, bottleneck, groups} = {}) {
  const bias = theirs ? ' nobias' : '';
  const block = (c, s, cut) => {
    const [middle, parts] = bottleneck?.(c) ?? [];
    const way = bottleneck
      ? [conv(middle, 1, 1, 0, bias), 'bn', 'relu', conv(
        middle, 3, s, 1, (parts > 1 ? ` groups ${parts}` : '') + bias), 'bn',
      'relu', conv(c, 1, 1, 0, bias), 'bn']
      : [conv(c, 3, s, 1, bias), 'bn', 'relu', conv(c, 3, 1, 1, bias), 'bn'];
    return [...inside('residual', way, cut ? inside('shortcut', conv(
      c, 1, s, 0, bias), theirs || groups ? ['bn'] : []) : []), 'relu'];
  };
  return [conv(64, 7, 2, 3, bias), 'bn', 'relu', pool(3, 2, 1),
          ...counts.flatMap((n, i) => Array.from({length: n}, (_, j) => block(
            widths[i], !j && i ? 2 : 1, !j && (i || (theirs && bottleneck))))
            .flat()), 'global avg', 'flatten', `dense ${classes}`];
}
const WIDE = [256, 512, 1024, 2048], NARROW = [64, 128, 256, 512];

const PRESET = (side, inputs, layers) => ({
  side, inputs, text: layers.flat(9).join('\n')});
const lenet = (...norm) => [
  conv(6, 5, 1, 2), ...norm, 'sigmoid', 'avg 2x2', conv(16, 5), ...norm,
  'sigmoid', 'avg 2x2', 'flatten', 'dense 120', ...norm, 'sigmoid', 'dense 84',
  ...norm, 'sigmoid', 'dense 10'];
// On two cards: three of its convolutions read half of the channels.
const alexnet2012 = [
  conv(96, 11, 4), 'relu', 'lrn', pool(3, 2),
  conv(256, 5, 1, 2, ' groups 2'), 'relu', 'lrn', pool(3, 2),
  conv(384, 3, 1, 1), 'relu', conv(384, 3, 1, 1, ' groups 2'), 'relu',
  conv(256, 3, 1, 1, ' groups 2'), 'relu', pool(3, 2),
  ...head([4096, 4096], 1000)];
export const PRESETS = {
  'LeNet': PRESET(28, 1, lenet()),
  'AlexNet': PRESET(224, 1, alexnet(10, [96, 256, 384, 384, 256], 1, [])),
  'VGG-11': PRESET(224, 1, vgg(VGG11, 10)),
  'VGG-11, a quarter as wide': PRESET(224, 1, vgg(VGG11_SMALL, 10)),
  'VGG-11, pooling inside the loop': PRESET(224, 1, vgg(VGG11, 10, true)),
  'NiN': PRESET(224, 1, nin),
  'GoogLeNet': PRESET(96, 1, googlenet(10)),
  'BN-LeNet': PRESET(28, 1, lenet('bn')),
  'ResNet-18': PRESET(96, 1, resnet([2, 2, 2, 2], NARROW, 10)),
  'ResNeXt': PRESET(96, 1, resnet([2, 2, 2, 2], NARROW, 10, {
    groups: true, bottleneck: c => [c / 2, c / 32]})),
  'AlexNet, paper of 2012': PRESET(227, 3, alexnet2012),
  'GoogLeNet, paper of 2014': PRESET(224, 3, googlenet(1000, {paper: true})),
  'AlexNet, torchvision': PRESET(224, 3, alexnet(
    1000, [64, 192, 384, 256, 256], 2, ['adaptive 6x6', 'dropout'])),
  'VGG-11, torchvision': PRESET(224, 3, vgg(VGG11, 1000)),
  'VGG-16, torchvision': PRESET(224, 3, vgg(VGG16, 1000)),
  'GoogLeNet, torchvision': PRESET(224, 3, googlenet(1000, {theirs: true})),
  'ResNet-18, torchvision': PRESET(224, 3, resnet(
    [2, 2, 2, 2], NARROW, 1000, {theirs: true})),
  'ResNet-34, torchvision': PRESET(224, 3, resnet(
    [3, 4, 6, 3], NARROW, 1000, {theirs: true})),
  'ResNet-50, torchvision': PRESET(224, 3, resnet([3, 4, 6, 3], WIDE, 1000, {
    theirs: true, bottleneck: c => [c / 4, 1]})),
  'ResNeXt-50, torchvision': PRESET(224, 3, resnet([3, 4, 6, 3], WIDE, 1000, {
    theirs: true, bottleneck: c => [c / 2, 32]})),
};
