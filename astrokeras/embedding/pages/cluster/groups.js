get("title").textContent = data.title;
get("about").textContent = data.about;

const nameOf = (number) => (number ? `Group ${number}` : "In no group");

function example(row) {
  const { id, ra, dec, label, cell } = data.examples[row];
  const figure = make("figure");
  const caption = make("figcaption");
  caption.append(make("span", id, "name"));
  if (label !== null) caption.append(make("div", label, "faint name"));
  if (ra !== null && dec !== null) caption.append(skyLink(ra, dec, "sky"));
  if (cell >= 0) figure.append(stampOf(cell, 72));
  figure.append(caption);
  return figure;
}

for (const group of data.groups) {
  const section = make("section");
  section.append(make("h2", `${nameOf(group.number)}: ${group.size.toLocaleString("en")} objects`));
  const lists = [["Typical, nearest to the mean first", group.typical], ["At random", group.random]];
  for (const [title, rows] of lists) {
    if (!rows.length) continue;
    const gallery = make("div", "", "gallery");
    gallery.append(...rows.map(example));
    section.append(make("p", title, "faint"), gallery);
  }
  get("groups").append(section);
}

if (data.agreement) {
  const { labelled, nmi, ari, accuracy, classes, table } = data.agreement;
  get("agreement").hidden = false;
  get("scores").textContent =
    `${labelled.toLocaleString("en")} labelled objects: normalised mutual information ${nmi.toFixed(3)}, ` +
    `adjusted Rand index ${ari.toFixed(3)}, accuracy after matching ${accuracy.toFixed(3)}`;
  const head = make("tr");
  head.append(make("th", "group"), ...classes.map((name) => make("th", name, "name")));
  get("head").append(head);
  table.forEach((counts, number) => {
    if (!number && counts.every((count) => count === 0)) return;
    const row = make("tr");
    row.append(make("td", nameOf(number)), ...counts.map((count) => make("td", count.toLocaleString("en"))));
    get("body").append(row);
  });
}

if (data.silhouettes.length) {
  get("chosen").hidden = false;
  get("counts").append(make("th", "groups"), ...data.silhouettes.map(([count]) => make("th", String(count))));
  get("values").append(make("td", "silhouette"), ...data.silhouettes.map(([, value]) => make("td", value.toFixed(3))));
}
