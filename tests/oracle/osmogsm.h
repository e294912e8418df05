/* What libosmogsm says, behind types of ours. Tests only; not for several threads. */
#ifndef NJ_TESTS_ORACLE_OSMOGSM_H
#define NJ_TESTS_ORACLE_OSMOGSM_H

#include <stddef.h>
#include <stdint.h>

/* GSM 03.38 text (Latin-1 in) as septets, one a byte; returns how many. */
int oracle_septets(const char *latin1, uint8_t *out);
/* Septets behind `fill` bits, packed; returns octets. */
int oracle_pack(const uint8_t *septets, size_t count, uint8_t fill, uint8_t *out);
/* The text of packed octets, Latin-1; `has_header`: behind a header that the octets begin with. */
int oracle_text(const uint8_t *octets, uint8_t septets, int has_header, char *out, size_t cap);
/* A time stamp of 7 octets, and back. */
void oracle_stamp(int64_t unix_s, uint8_t out[7]);
int64_t oracle_stamp_read(const uint8_t stamp[7]);
/* Seconds of a validity period, in whole minutes; `format` as in TP-VPF. */
uint64_t oracle_validity(uint8_t format, const uint8_t value[7]);
/* 0: 7 bit; 1: 8 bit; 2: UCS-2; 3: it does not know. */
int oracle_alphabet(uint8_t dcs);
/* A TP-OA; returns octets. */
int oracle_address(uint8_t ton, uint8_t npi, const char *digits, uint8_t out[12]);

#endif
