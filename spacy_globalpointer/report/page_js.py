"""The script of the page: it draws, chooses, searches and orders documents."""

SCRIPT = """
(async () => {
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const order = document.getElementById("order");
  const label = document.getElementById("label");
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const all = shown.textContent;
  const number = (item) => Number(item.dataset.number);
  const errors = (item) => Number(item.dataset.errors);
  const by = {
    number: (a, b) => number(a) - number(b),
    errors: (a, b) => errors(b) - errors(a) || number(a) - number(b),
  };
  let documents = [...list.children];

  // Documents after the first ones are packed, and drawn as they come into view.
  const inner = new Map();
  const draw = (item) => {
    if (inner.has(item)) {
      item.innerHTML = inner.get(item);
      inner.delete(item);
    }
  };
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        draw(entry.target);
        observer.unobserve(entry.target);
      }
    }
  }, {rootMargin: "100% 0px"});
  const unpack = async (packed) => {
    const bytes = Uint8Array.from(atob(packed), (sign) => sign.charCodeAt(0));
    const stream = new Blob([bytes]).stream();
    const unpacked = stream.pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(unpacked).text());
  };

  const choose = () => {
    const boxes = [...form.querySelectorAll("input[type=checkbox]:checked")];
    const wanted = boxes.map((box) => box.value);
    const words = search.value.trim().toLowerCase();
    let count = 0;
    for (const item of documents) {
      const kinds = item.dataset.kinds.split(" ");
      const fits = (!wanted.length || wanted.some((kind) => kinds.includes(kind)))
        && (!label.value || JSON.parse(item.dataset.labels).includes(label.value))
        && (!words || item.dataset.text.toLowerCase().includes(words));
      item.hidden = !fits;
      count += fits;
    }
    const some = count + " of the " + documents.length + " drawn";
    shown.textContent = wanted.length || label.value || words ? some : all;
  };
  form.addEventListener("input", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  order.addEventListener("change", () => {
    list.append(...documents.sort(by[order.value]));
  });

  // The label, offsets and score of a span, on a tap as under the pointer.
  const note = document.createElement("div");
  note.id = "note";
  note.hidden = true;
  document.body.append(note);
  document.addEventListener("click", (event) => {
    const target = event.target.closest(".spans [title], .links [title]");
    note.hidden = !target;
    if (target) {
      const box = target.getBoundingClientRect();
      note.textContent = target.title;
      note.style.top = (box.bottom + window.scrollY + 4) + "px";
      note.style.left = "0";
      const last = document.documentElement.clientWidth - note.offsetWidth - 8;
      note.style.left = Math.max(0, Math.min(box.left, last)) + "px";
    }
  });

  // "/" searches, "n" and "p" go to the next and the previous document.
  let place = -1;
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select") || event.ctrlKey || event.metaKey) {
      return;
    }
    const visible = documents.filter((item) => !item.hidden);
    if (event.key === "/") {
      event.preventDefault();
      search.focus();
    } else if ((event.key === "n" || event.key === "p") && visible.length) {
      place += event.key === "n" ? 1 : -1;
      place = Math.max(0, Math.min(place, visible.length - 1));
      draw(visible[place]);
      visible[place].scrollIntoView();
      visible[place].focus({preventScroll: true});
    }
  });
  choose();

  const packed = document.getElementById("packed");
  if (packed) {
    for (const [attributes, markup] of await unpack(packed.textContent)) {
      const item = document.createElement("section");
      for (const [name, value] of Object.entries(attributes)) {
        item.setAttribute(name, value);
      }
      inner.set(item, markup);
      documents.push(item);
      observer.observe(item);
    }
    documents.sort(by[order.value]);
    list.append(...documents);
    choose();
  }
  list.dataset.ready = documents.length;
})();
"""
