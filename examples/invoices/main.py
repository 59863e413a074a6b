"""Check a list of invoices and sum it per customer.

A wrong invoice does not stop the work: it is reported, and left out of the sums.
The reports are written to the folder in which the job runs.
"""

import csv
import json
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

from sdk.runtime import job

INVOICES = Path(__file__).parent / "invoices.csv"
CENT = Decimal("0.01")


def problem_of(invoice):
    """Say what is wrong with an invoice, or return None."""
    amounts = {}
    for column in ("net", "vat_rate", "gross"):
        try:
            amounts[column] = Decimal(invoice[column])
        except InvalidOperation:
            return f"{column} is not a number: {invoice[column]!r}"
        if not amounts[column].is_finite():  # Decimal also accepts "NaN" and "Infinity"
            return f"{column} is not an amount: {invoice[column]!r}"
    if invoice["currency"] != "EUR":
        return f"the currency is {invoice['currency']}, and only EUR can be summed"
    vat = amounts["net"] * amounts["vat_rate"] / 100
    expected = amounts["net"] + vat.quantize(CENT, ROUND_HALF_UP)
    if amounts["gross"] != expected:
        return f"gross is {amounts['gross']}, but net and VAT make {expected}"
    return None


def check(invoices):
    """Divide the invoices into the good ones and a list of problems."""
    good, rejected = [], []
    for count, invoice in enumerate(invoices, start=1):
        problem = problem_of(invoice)
        if problem is None:
            good.append(invoice)
        else:
            print(f"Invoice {invoice['number']}: {problem}")
            rejected.append({"number": invoice["number"], "problem": problem})
        job.progress(count / len(invoices), f"checked {invoice['number']}")
    return good, rejected


def sum_per_customer(invoices):
    """Count the invoices of each customer and add up their amounts."""
    customers = {}
    for invoice in sorted(invoices, key=lambda invoice: invoice["customer"]):
        nothing = {"invoices": 0, "net": Decimal(0), "gross": Decimal(0)}
        customer = customers.setdefault(invoice["customer"], nothing)
        customer["invoices"] += 1
        customer["net"] += Decimal(invoice["net"])
        customer["gross"] += Decimal(invoice["gross"])
    return customers


def write_reports(customers, rejected):
    """Write the same report twice: for programs and for people."""
    report = {"customers": customers, "rejected": rejected}
    # default=str: JSON has no Decimal, and a float would not keep every cent.
    text = json.dumps(report, indent=2, default=str, ensure_ascii=False)
    Path("report.json").write_text(text + "\n", encoding="utf-8")

    lines = ["# Invoices per customer", ""]
    lines += ["| Customer | Invoices | Net (EUR) | Gross (EUR) |", "|---|---:|---:|---:|"]
    for name, sums in customers.items():
        lines.append(f"| {name} | {sums['invoices']} | {sums['net']} | {sums['gross']} |")
    lines += ["", "## Rejected", ""]
    lines += [f"- {entry['number']}: {entry['problem']}" for entry in rejected] or ["None."]
    Path("report.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    with INVOICES.open(encoding="utf-8", newline="") as file:
        invoices = list(csv.DictReader(file, restval=""))
    good, rejected = check(invoices)
    customers = sum_per_customer(good)
    write_reports(customers, rejected)
    total = sum((customer["gross"] for customer in customers.values()), Decimal(0))
    print(f"{len(good)} invoices of {len(customers)} customers: {total} EUR")
    job.result = {"invoices": len(good), "rejected": rejected, "total_gross": str(total)}


if __name__ == "__main__":
    main()
