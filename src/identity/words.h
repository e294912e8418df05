/*
 * Words for passphrases: 2,048 English words of four to six letters, in order, told apart by their first four letters.
 * Made for Nightjar, in the public domain. Constant.
 */
#ifndef NJ_IDENTITY_WORDS_H
#define NJ_IDENTITY_WORDS_H

#define NJ_WORD_COUNT 2048
#define NJ_WORD_BYTES 7

extern const char nj_words[NJ_WORD_COUNT][NJ_WORD_BYTES];

#endif
