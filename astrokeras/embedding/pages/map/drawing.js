// The view
const toX = (value) => (value - view.x) * view.scale + view.width / 2;
const toY = (value) => view.height / 2 - (value - view.y) * view.scale;
const fromX = (value) => (value - view.width / 2) / view.scale + view.x;
const fromY = (value) => (view.height / 2 - value) / view.scale + view.y;

function fit() {
  view.width = canvas.clientWidth;
  view.height = canvas.clientHeight;
  canvas.width = Math.round(view.width * devicePixelRatio);
  canvas.height = Math.round(view.height * devicePixelRatio);
  view.least = (0.94 * Math.min(view.width, view.height)) / 65536;
}

function whole() {
  fit();
  Object.assign(view, { x: 32768, y: 32768, scale: view.least });
  draw();
}

let density = null;
if (data.density) {
  const counts = unpack(data.density.counts, Uint8Array);
  density = { counts, side: data.density.side, canvas: document.createElement("canvas") };
  density.canvas.width = density.canvas.height = density.side;
}

function paintDensity() {
  if (!density) return;
  const paint = density.canvas.getContext("2d");
  const image = paint.createImageData(density.side, density.side);
  const level = dark.matches ? 200 : 70;
  density.counts.forEach((count, i) => image.data.set([level, level, level + 25, count], 4 * i));
  paint.putImageData(image, 0, 0);
}

let asked = false;
function draw() {
  if (!asked) requestAnimationFrame(paint);
  asked = true;
}

function radius() {
  const base = data.ids.length < 2000 ? 3 : data.ids.length < 20000 ? 2 : 1.2;
  return Math.min(7, base * Math.pow(view.scale / view.least, 0.35));
}

/** Bins in the order in which they are drawn: large groups below small ones, and what is unknown below all. */
function drawn() {
  const known = (bin) => Number(shade.colours[bin] !== GREY);
  return [...order.keys()].filter((bin) => !shade.hidden.has(bin)).sort((a, b) => known(a) - known(b) || a - b);
}

function paintDots(size) {
  for (const bin of drawn()) {
    pen.fillStyle = shade.colours[bin];
    pen.beginPath();
    for (const point of order[bin]) {
      const left = toX(x[point]);
      const top = toY(y[point]);
      if (left < -size || top < -size || left > view.width + size || top > view.height + size) continue;
      pen.moveTo(left + size, top);
      pen.arc(left, top, size, 0, 6.2832);
    }
    pen.fill();
  }
}

/** The same for very many points: squares, written pixel by pixel into a picture, which takes a tenth of the time. */
function paintPixels(size) {
  const [width, height] = [canvas.width, canvas.height];
  if (pixels.canvas.width !== width || pixels.canvas.height !== height) {
    [pixels.canvas.width, pixels.canvas.height] = [width, height];
    pixels.image = pixels.canvas.getContext("2d").createImageData(width, height);
  }
  const image = new Uint32Array(pixels.image.data.buffer);
  image.fill(0);
  const side = Math.max(1, Math.round(2 * size * devicePixelRatio));
  for (const bin of drawn()) {
    pen.fillStyle = shade.colours[bin];
    const [red, green, blue] = [1, 3, 5].map((i) => parseInt(pen.fillStyle.slice(i, i + 2), 16));
    const colour = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    for (const point of order[bin]) {
      const left = Math.round(toX(x[point]) * devicePixelRatio - side / 2);
      const top = Math.round(toY(y[point]) * devicePixelRatio - side / 2);
      if (left < 0 || top < 0 || left + side > width || top + side > height) continue;
      for (let row = top; row < top + side; row += 1) image.fill(colour, row * width + left, row * width + left + side);
    }
  }
  pixels.canvas.getContext("2d").putImageData(pixels.image, 0, 0);
  pen.drawImage(pixels.canvas, 0, 0, view.width, view.height);
}

const MANY = 20000;
const pixels = { canvas: document.createElement("canvas"), image: null };
let path = [];
let pinned = -1;
function paint() {
  asked = false;
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, view.width, view.height);
  if (density) {
    pen.imageSmoothingEnabled = true;
    pen.drawImage(density.canvas, toX(0), toY(65536), 65536 * view.scale, 65536 * view.scale);
  }
  const size = radius();
  pen.globalAlpha = data.ids.length < 2000 ? 0.9 : 0.75;
  if (data.ids.length < MANY) paintDots(size);
  else paintPixels(size);
  pen.strokeStyle = getComputedStyle(document.body).color;
  pen.lineWidth = 0.75;
  pen.beginPath();
  for (let point = 0; point < selected.length; point += 1) {
    if (selected[point]) pen.rect(toX(x[point]) - size, toY(y[point]) - size, 2 * size, 2 * size);
  }
  pen.stroke();
  pen.globalAlpha = 1;
  if (pinned >= 0) {
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(toX(x[pinned]), toY(y[pinned]), size + 5, 0, 6.2832);
    pen.stroke();
  }
  if (path.length > 1) {
    pen.setLineDash([5, 4]);
    pen.beginPath();
    path.forEach(([px, py], i) => (i ? pen.lineTo(toX(px), toY(py)) : pen.moveTo(toX(px), toY(py))));
    pen.closePath();
    pen.stroke();
    pen.setLineDash([]);
  }
}
