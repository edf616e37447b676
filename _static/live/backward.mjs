// The way back through the layers: all that is in forward.mjs, its products
// faster, and the gradients of convolutions, pooling and linear layers.
import {fits, mean, outputShape, pooling, slide, tensor} from './forward.mjs';

export * from './forward.mjs';

// Where the numbers of each channel of each image begin and end.
export function eachMap({shape: [n, channels], data}, visit) {
  const area = data.length / n / channels;
  for (let i = 0; i < n * channels; i++) {
    visit(i % channels, i * area, (i + 1) * area);
  }
}

// Adds to the matrix Y (rows, columns) the product of A (rows, inner) and
// B (inner, columns), all row after row. With other steps down and across it, A
// is read transposed. B goes in by four rows at once, since it takes longer to
// read and write a number of Y than to multiply.
function addProduct(Y, A, B, rows, inner, columns, down = inner,
                           across = 1) {
  const four = 4 * columns;
  for (let r = 0; r < rows; r++) {
    const y = r * columns;
    let a = r * down, b = 0;
    for (const end = (inner - inner % 4) * columns; b < end; b += four) {
      const p = A[a], q = A[a + across], s = A[a + 2 * across];
      const t = A[a + 3 * across], c = b + columns, d = c + columns;
      for (let j = 0; j < columns; j++) {
        Y[y + j] += p * B[b + j] + q * B[c + j] + s * B[d + j] +
          t * B[d + columns + j];
      }
      a += 4 * across;
    }
    for (; b < inner * columns; b += columns, a += across) {
      for (let j = 0; j < columns; j++) Y[y + j] += A[a] * B[b + j];
    }
  }
}

// The same with B (columns, inner) transposed: products of rows with rows.
function addDots(Y, A, B, rows, columns, inner) {
  for (let y = 0; y < rows * columns; y++) {
    const b = y % columns * inner, a = (y - y % columns) / columns * inner;
    let sum = 0;
    for (let i = 0; i < inner; i++) sum += A[a + i] * B[b + i];
    Y[y] += sum;
  }
}

// A convolution is a product of matrices: of a group's kernels, a row for each,
// with what the windows of an image read, a column for each window. `visit`
// gets these columns, the part of Y that belongs to them, where that of K begins
// and the sizes; `after`, for each image, all columns and a function that says
// from where in X they are.
function eachGroup(X, K, Y, options, visit, after) {
  const {groups = 1} = options, [n, ...image] = X.shape;
  const [outs, ...kernel] = K.shape, size = K.data.length / outs;
  const area = Y.shape[2] * Y.shape[3], few = outs / groups;
  slide([0, ...image], K.shape, options);  // checks the groups
  const cols = new Float64Array(groups * size * area);
  const move = (i, copy) => slide(
    [1, ...image], [groups, ...kernel], options, (to, from, k, count, step) =>
      copy(k * area + to % area, from + i * X.data.length / n, count, step));
  for (let i = 0; i < n; i++) {
    cols.fill(0);
    move(i, (to, from, count, step) => {
      for (let j = 0; j < count; j++) cols[to + j] = X.data[from + j * step];
    });
    for (let g = 0; g < groups; g++) {
      visit(cols.subarray(g * size * area, (g + 1) * size * area),
            Y.data.subarray((i * outs + g * few) * area,
                            (i * outs + (g + 1) * few) * area),
            g * few * size, [few, size, area]);
    }
    after?.(cols, copy => move(i, copy));
  }
}

// Both are those of forward.mjs, and five times as fast.
export function conv2d(X, K, bias, options = {}) {
  const Y = tensor(outputShape(X.shape, K.shape, options));
  if (bias) {
    fits(bias, K.shape[0]);
    eachMap(Y, (c, from, to) => Y.data.fill(bias.data[c], from, to));
  }
  eachGroup(X, K, Y, options, (cols, y, at, sizes) =>
    addProduct(y, K.data.subarray(at), cols, ...sizes));
  return Y;
}

export function linear(X, W, bias) {
  const [n, ins] = X.shape, [outs] = W.shape, Y = tensor([n, outs]);
  fits(W, outs, ins);
  if (bias) {
    fits(bias, outs);
    for (let i = 0; i < n; i++) Y.data.set(bias.data, i * outs);
  }
  addDots(Y.data, X.data, W.data, n, outs, ins);
  return Y;
}

// Backward, each product hands the output's gradient on to both its factors.
export function conv2dBackward(X, K, dY, options = {}) {
  fits(dY, ...outputShape(X.shape, K.shape, options));
  const [dX, dK, db] = [tensor(X.shape), tensor(K.shape), tensor([K.shape[0]])];
  eachGroup(X, K, dY, options, (cols, dy, at, [outs, size, area]) => {
    addDots(dK.data.subarray(at), dy, cols, outs, size, area);
    cols.fill(0);  // now for their gradient
    addProduct(cols, K.data.subarray(at), dy, size, outs, area, 1, size);
  }, (cols, move) => move((to, from, count, step) => {
    for (let j = 0; j < count; j++) dX.data[from + j * step] += cols[to + j];
  }));
  eachMap(dY, (c, from, to) => {
    for (let i = from; i < to; i++) db.data[c] += dY.data[i];
  });
  return {dX, dK, db};
}

export function avgPoolBackward(X, dY, options) {
  const [kernel, rest] = pooling(X, options);
  return conv2dBackward(X, mean(kernel), dY, rest).dX;
}

// The largest number of each window, and its place in X: the first of several.
// The padding is never the largest.
export function maxPool(X, options) {
  const [kernel, rest] = pooling(X, options);
  const Y = tensor(outputShape(X.shape, kernel, rest), -Infinity);
  const [x, y, at] = [X.data, Y.data, new Int32Array(Y.data.length)];
  slide(X.shape, kernel, rest, (to, from, _, count, step) => {
    for (let j = 0; j < count; j++) {
      if (x[from + j * step] > y[to + j]) {
        at[to + j] = from + j * step;
        y[to + j] = x[from + j * step];
      }
    }
  });
  return {Y, at};
}

export function maxPoolBackward(X, dY, at) {
  const dX = tensor(X.shape);
  dY.data.forEach((d, i) => { dX.data[at[i]] += d; });
  return dX;
}

export function linearBackward(X, W, dY) {
  const [n, ins] = X.shape, [outs] = W.shape;
  fits(dY, n, outs);
  const [dX, dW, db] = [tensor(X.shape), tensor(W.shape), tensor([outs])];
  addProduct(dX.data, dY.data, W.data, n, outs, ins);
  addProduct(dW.data, dY.data, X.data, outs, n, ins, 1, outs);
  dY.data.forEach((d, i) => { db.data[i % outs] += d; });
  return {dX, dW, db};
}
