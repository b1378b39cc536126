const canvas = get("points");
const pen = canvas.getContext("2d");
const dark = matchMedia("(prefers-color-scheme: dark)");
const x = unpack(data.x, Uint16Array);
const y = unpack(data.y, Uint16Array);
const ra = unpack(data.ra, Float64Array);
const dec = unpack(data.dec, Float64Array);
const stamped = data.stamps ? unpack(data.stamps.of, Int32Array) : new Int32Array(0);
const cells = new Map(Array.from(stamped, (point, cell) => [point, cell]));
const selected = new Uint8Array(data.ids.length);
const view = { x: 32768, y: 32768, scale: 1, least: 1, width: 1, height: 1 };
const PALETTE = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#a6761d", "#7570b3", "#66a61e",
  "#e7298a", "#1b9e77", "#8c6bb1", "#bf5b17", "#386cb0", "#a6a600", "#d95f02", "#4daf4a", "#984ea3", "#f781bf", "#377eb8"];
const palette = () => (dark.matches ? ["#4aa8e8", ...PALETTE.slice(1)] : PALETTE);
const GREY = "#8b949e";
const RAMP = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const STEPS = 32;

// Colours: each point has a bin, each bin a colour, and points are drawn bin by bin.
let shade = { bins: new Uint8Array(data.ids.length), colours: [palette()[0]], text: () => "", hidden: new Set() };
let order = [];

function ramp(share) {
  const stops = dark.matches ? RAMP.slice(2) : RAMP.slice(0, 9);
  const place = share * (stops.length - 1);
  const left = Math.min(Math.floor(place), stops.length - 2);
  const part = (stop, i) => parseInt(stop.slice(1 + 2 * i, 3 + 2 * i), 16);
  const mixed = [0, 1, 2].map((i) => part(stops[left], i) * (left + 1 - place) + part(stops[left + 1], i) * (place - left));
  return `rgb(${mixed.map(Math.round).join(",")})`;
}

function colourBy(number) {
  const column = data.colours[number];
  const count = data.ids.length;
  get("keys").replaceChildren();
  get("scale").hidden = true;
  shade = { bins: new Uint8Array(count), colours: [palette()[0]], text: () => "", hidden: new Set() };
  if (column && column.kind === "class") {
    const index = unpack(column.index, Uint16Array);
    const names = column.names;
    const most = Math.min(names.length, PALETTE.length);
    shade.bins = Uint8Array.from(index, (i) => (i === 65535 ? most + 1 : Math.min(i, most)));
    shade.colours = [...palette().slice(0, most), GREY, GREY];
    shade.text = (point) => (index[point] === 65535 ? "" : names[index[point]]);
    const counts = new Uint32Array(most + 2);
    for (const bin of shade.bins) counts[bin] += 1;
    [...names.slice(0, most), `${names.length - most} others`, `no ${column.name}`].forEach((name, bin) => {
      if (counts[bin]) get("keys").append(key(name, bin, counts[bin]));
    });
  } else if (column) {
    const values = unpack(column.values, Float32Array);
    const range = column.high - column.low || 1;
    const step = (value) => Math.max(0, Math.min(STEPS - 1, Math.floor(((value - column.low) / range) * STEPS)));
    shade.bins = Uint8Array.from(values, (value) => (known(value) ? step(value) : STEPS));
    shade.colours = [...Array.from({ length: STEPS }, (_, i) => ramp(i / (STEPS - 1))), GREY];
    shade.text = (point) => (known(values[point]) ? `${column.name} ${Number(values[point].toPrecision(5))}` : "");
    const strip = get("ramp").getContext("2d");
    for (let i = 0; i < 256; i += 1) {
      strip.fillStyle = ramp(i / 255);
      strip.fillRect(i, 0, 1, 1);
    }
    get("low").textContent = `≤ ${Number(column.low.toPrecision(4))}`;
    get("high").textContent = `≥ ${Number(column.high.toPrecision(4))}`;
    get("scale").hidden = false;
  }
  order = shade.colours.map(() => []);
  for (let point = 0; point < count; point += 1) order[shade.bins[point]].push(point);
  draw();
}

function key(name, bin, count) {
  const button = make("button", "", "key");
  const dot = make("i");
  dot.style.background = shade.colours[bin];
  button.append(dot, make("span", name, "name"), make("span", count.toLocaleString("en"), "faint"));
  button.lastChild.style.flex = "none";
  button.setAttribute("aria-pressed", "true");
  button.onclick = () => {
    const shown = shade.hidden.delete(bin) || !shade.hidden.add(bin);
    button.setAttribute("aria-pressed", String(shown));
    draw();
  };
  return button;
}
