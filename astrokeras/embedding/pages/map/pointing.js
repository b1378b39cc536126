// Which point lies where: lists of points in 256 x 256 squares.
function squares(points) {
  const found = new Map();
  for (const point of points) {
    const square = (y[point] >> 8) * 256 + (x[point] >> 8);
    if (!found.has(square)) found.set(square, []);
    found.get(square).push(point);
  }
  return found;
}
const everywhere = squares(data.ids.keys());
const withStamp = squares(stamped);

function nearest(index, px, py, reach) {
  let best = -1;
  let far = reach * reach;
  const [left, right] = [px - reach, px + reach].map((v) => Math.max(0, Math.min(255, v >> 8)));
  const [low, high] = [py - reach, py + reach].map((v) => Math.max(0, Math.min(255, v >> 8)));
  for (let row = low; row <= high; row += 1) {
    for (let column = left; column <= right; column += 1) {
      for (const point of index.get(row * 256 + column) || []) {
        const apart = (x[point] - px) ** 2 + (y[point] - py) ** 2;
        if (apart <= far && !shade.hidden.has(shade.bins[point])) [best, far] = [point, apart];
      }
    }
  }
  return best;
}

function describe(point, side) {
  const box = document.createDocumentFragment();
  const near = cells.has(point) ? point : nearest(withStamp, x[point], y[point], 2000);
  if (near >= 0) box.append(stampOf(cells.get(near), side));
  const name = make("div");
  name.append(make("span", data.ids[point], "name"));
  box.append(name);
  if (near >= 0 && near !== point) {
    const note = make("div", "(the stamp is that of its neighbour ", "faint");
    note.append(make("span", data.ids[near], "name"), ")");
    box.append(note);
  }
  const text = shade.text(point);
  if (text) box.append(make("div", text, "name"));
  return box;
}

function pin(point) {
  pinned = point;
  const panel = get("object");
  panel.classList.remove("faint");
  panel.replaceChildren(describe(point, Math.min(192, 3 * (data.stamps ? data.stamps.side : 1))));
  data.colours.forEach((column) => {
    if (column.kind !== "class") {
      const value = unpack(column.values, Float32Array)[point];
      if (known(value)) panel.append(make("div", `${column.name} ${Number(value.toPrecision(6))}`, "faint"));
    } else {
      const index = unpack(column.index, Uint16Array)[point];
      if (index !== 65535) panel.append(make("div", `${column.name}: ${column.names[index]}`, "faint name"));
    }
  });
  if (known(ra[point]) && known(dec[point])) {
    const where = make("div");
    where.append(skyLink(ra[point], dec[point], `${ra[point].toFixed(5)}, ${dec[point].toFixed(5)}: look at the sky there`));
    panel.append(where);
  }
  draw();
}

function point(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function hover(event) {
  const [px, py] = point(event);
  const found = nearest(everywhere, fromX(px), fromY(py), 12 / view.scale);
  const tip = get("tip");
  tip.hidden = found < 0 || event.pointerType === "touch";
  if (tip.hidden) return found;
  tip.replaceChildren(describe(found, 2 * (data.stamps ? data.stamps.side : 1)));
  tip.style.left = `${Math.max(0, Math.min(px + 14, view.width - tip.offsetWidth))}px`;
  tip.style.top = `${py + 14 + tip.offsetHeight > view.height ? Math.max(0, py - 14 - tip.offsetHeight) : py + 14}px`;
  return found;
}

function inside(px, py) {
  let odd = false;
  for (let i = 0, j = path.length - 1; i < path.length; j = i, i += 1) {
    const [[ax, ay], [bx, by]] = [path[i], path[j]];
    if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function choose() {
  if (path.length > 2) {
    for (let i = 0; i < selected.length; i += 1) {
      if (!shade.hidden.has(shade.bins[i]) && inside(x[i], y[i])) selected[i] = 1;
    }
  }
  path = [];
  showChosen();
}

const chosen = () => Array.from(selected.keys()).filter((i) => selected[i]);

function showChosen() {
  const points = chosen();
  get("chosen").textContent = points.length ? `${points.length.toLocaleString("en")} selected` : "Nothing is selected";
  get("save").disabled = get("clear").disabled = !points.length;
  const shown = points.filter((i) => cells.has(i)).slice(0, 60);
  get("gallery").replaceChildren(
    ...shown.map((i) => {
      const figure = make("figure");
      figure.append(stampOf(cells.get(i), 72), make("figcaption", data.ids[i], "name"));
      figure.onclick = () => pin(i);
      return figure;
    })
  );
  draw();
}

function zoom(factor, px, py) {
  const [mx, my] = [fromX(px), fromY(py)];
  view.scale = Math.max(view.least / 2, Math.min(view.least * 2000, view.scale * factor));
  view.x += mx - fromX(px);
  view.y += my - fromY(py);
  draw();
}

let lasso = false;
let moved = 0;
const fingers = new Map();
canvas.onpointerdown = (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, point(event));
  moved = 0;
  if (lasso && fingers.size === 1) path = [[fromX(point(event)[0]), fromY(point(event)[1])]];
  if (fingers.size > 1) path = [];
};
canvas.onpointermove = (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return void hover(event);
  const now = point(event);
  const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
  moved += Math.hypot(dx, dy);
  if (fingers.size === 2) {
    const other = [...fingers.entries()].find(([id]) => id !== event.pointerId)[1];
    const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
    zoom(apart(now) / apart(before), other[0], other[1]);
  } else if (lasso && path.length) path.push([fromX(now[0]), fromY(now[1])]);
  else {
    view.x -= dx / view.scale;
    view.y += dy / view.scale;
  }
  fingers.set(event.pointerId, now);
  get("tip").hidden = true;
  draw();
};
canvas.onpointerup = canvas.onpointercancel = (event) => {
  const last = fingers.size === 1;
  fingers.delete(event.pointerId);
  if (!last) return;
  if (moved < 5) {
    path = [];
    const [px, py] = point(event);
    const found = nearest(everywhere, fromX(px), fromY(py), 14 / view.scale);
    if (found >= 0) pin(found);
  } else if (lasso) choose();
  draw();
};
canvas.onpointerleave = () => (get("tip").hidden = true);
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...point(event));
  },
  { passive: false }
);
canvas.onkeydown = (event) => {
  const step = 60 / view.scale;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.3 : 1 / 1.3, view.width / 2, view.height / 2);
  else if (moves[event.key]) {
    view.x += moves[event.key][0];
    view.y += moves[event.key][1];
    draw();
  } else return;
  event.preventDefault();
};

function mode(drawing) {
  lasso = drawing;
  get("lasso").setAttribute("aria-pressed", String(lasso));
  get("pan").setAttribute("aria-pressed", String(!lasso));
}

get("lasso").onclick = () => mode(true);
get("pan").onclick = () => mode(false);
get("whole").onclick = whole;
get("clear").onclick = () => {
  selected.fill(0);
  showChosen();
};
const degrees = (value) => (known(value) ? value : "");
get("save").onclick = () =>
  save("selection.csv", ["id", "ra", "dec"], chosen().map((i) => [data.ids[i], degrees(ra[i]), degrees(dec[i])]));
get("find").onchange = () => {
  const text = get("find").value.trim();
  if (!text) return;
  const exact = data.ids.indexOf(text);
  const found = exact >= 0 ? exact : data.ids.findIndex((id) => id.includes(text));
  if (found < 0) {
    get("object").replaceChildren(make("span", `There is no ${text} on this map.`));
    return;
  }
  view.x = x[found];
  view.y = y[found];
  pin(found);
};
get("colour").onchange = () => colourBy(Number(get("colour").value));
dark.onchange = () => {
  paintDensity();
  colourBy(Number(get("colour").value) || 0);
};
new ResizeObserver(() => {
  const zoomed = view.scale / view.least;
  fit();
  view.scale = view.least * zoomed;
  draw();
}).observe(canvas);

get("title").textContent = data.title;
get("about").textContent = data.about;
get("axes").textContent = data.axes;
data.colours.forEach((column, number) => {
  const choice = make("option", column.name);
  choice.value = String(number);
  get("colour").append(choice);
});
get("colour").parentElement.hidden = data.colours.length === 0;
paintDensity();
whole();
colourBy(0);
