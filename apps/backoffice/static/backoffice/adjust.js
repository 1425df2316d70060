/* Shows the balance that the typed amount would leave. The server decides; this only tells. */

const preview = JSON.parse(document.getElementById("balance-preview").textContent);
const amount = document.getElementById("id_amount");
const shown = document.getElementById("balance-after");
const unit = 10 ** preview.digits;
const format = new Intl.NumberFormat(preview.language, {
  style: "currency", currency: preview.currency, currencyDisplay: "narrowSymbol",
});

function showBalance() {
  const typed = amount.value.replaceAll(",", "").trim();
  const change = typed === "" ? 0 : Math.round(Number(typed) * unit);
  const after = preview.balance + change;
  const wrong = Number.isNaN(change) || after < 0;
  shown.textContent = Number.isNaN(change) ? "–" : format.format(after / unit);
  shown.classList.toggle("encore-wrong", wrong);
}

amount.addEventListener("input", showBalance);
document.getElementById("preview").hidden = false;
showBalance();
