"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const get = (id) => document.getElementById(id);

/** A typed array from little-endian bytes in base64. */
function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

/** An element with text in it; whatever the text is, it stays text. */
function make(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

const sprite = data.stamps
  ? URL.createObjectURL(new Blob([unpack(data.stamps.jpeg, Uint8Array)], { type: "image/jpeg" }))
  : "";

/** The stamp in a cell of the sprite, in a square of so many pixels. */
function stampOf(cell, side) {
  const element = make("span", "", "stamp");
  const { side: own, columns, lines } = data.stamps;
  const zoom = side / own;
  element.style.width = element.style.height = `${side}px`;
  element.style.backgroundImage = `url(${sprite})`;
  element.style.backgroundSize = `${columns * own * zoom}px ${lines * own * zoom}px`;
  element.style.backgroundPosition = `${-(cell % columns) * side}px ${-Math.floor(cell / columns) * side}px`;
  return element;
}

/** A plain link to the sky viewer; nothing is fetched before somebody follows it. */
function skyLink(ra, dec, text) {
  const link = make("a", text);
  link.href = data.viewer.replace("{ra}", ra.toFixed(6)).replace("{dec}", dec.toFixed(6));
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

/** Offer a table for saving. */
function save(name, head, rows) {
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const text = [head, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const known = (value) => value !== undefined && !Number.isNaN(value);
