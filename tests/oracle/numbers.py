#!/usr/bin/env python3
"""Numbers of every country as they are written there, against libphonenumber, which knows the numbering plans.

usage: numbers.py PROGRAM        exit status 77: python3-phonenumbers is not installed
"""
import subprocess
import sys

try:
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType
except ImportError:
    sys.exit(77)

ABROAD = "DE"


def excused(region, kind, written):
    """What docs/protocol/sms.md says is not read: short codes, and Argentina's 15 in the midst of a number."""
    digits = sum(c.isdigit() for c in written)
    plain = not written.startswith("+")
    return plain and (digits <= 6 or (region == "AR" and kind == PhoneNumberType.MOBILE))


def rows():
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            want = phonenumbers.format_number(number, PhoneNumberFormat.E164)[1:]
            forms = [(region, phonenumbers.format_number(number, form)) for form in (
                PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.NATIONAL)]
            if region != ABROAD:
                forms.append((ABROAD, phonenumbers.format_out_of_country_calling_number(number, ABROAD)))
            for home, written in forms:
                if not excused(region, kind, written):
                    yield home, written, want


def main():
    asked = list(rows())
    lines = "".join(f"{home}\tnational\t{written}\n" for home, written, _ in asked)
    answer = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    wrong = 0
    for (home, written, want), got in zip(asked, answer, strict=True):
        if got != want:
            wrong += 1
            print(f"{home}: {written}: got {got}, want {want}")
    print(f"{len(asked)} numbers, {wrong} wrong")
    return 1 if wrong or len(asked) < 1800 else 0


sys.exit(main())
