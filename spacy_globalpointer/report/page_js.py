"""The script of the page: it chooses and orders documents."""

SCRIPT = """
(() => {
  const form = document.getElementById("filters");
  const list = document.getElementById("list");
  const order = document.getElementById("order");
  const shown = document.getElementById("shown");
  const all = shown.textContent;
  const documents = [...list.children];
  const number = (item) => Number(item.dataset.number);
  const errors = (item) => Number(item.dataset.errors);
  const by = {
    number: (a, b) => number(a) - number(b),
    errors: (a, b) => errors(b) - errors(a) || number(a) - number(b),
  };
  const choose = () => {
    const wanted = [...form.querySelectorAll("input:checked")].map((box) => box.value);
    let count = 0;
    for (const item of documents) {
      const kinds = item.dataset.kinds.split(" ");
      item.hidden = wanted.length > 0 && !wanted.some((kind) => kinds.includes(kind));
      count += !item.hidden;
    }
    const some = count + " of the " + documents.length + " drawn";
    shown.textContent = wanted.length ? some : all;
  };
  form.addEventListener("change", choose);
  form.addEventListener("submit", (event) => event.preventDefault());
  order.addEventListener("change", () => {
    list.append(...documents.sort(by[order.value]));
  });
  choose();
})();
"""
