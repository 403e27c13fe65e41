/*
 * invariant.h - assertions that stay on in every build.
 *
 * NDEBUG does not switch them off: a payment service that has lost track of its own state must
 * stop, and let another instance finish from the durable rows. Use it for what this code
 * guarantees to itself, never for bytes that came from outside.
 */
#ifndef FAREBOX_INVARIANT_H
#define FAREBOX_INVARIANT_H

/* Ends the process at once where the condition is false. Freestanding: links nothing. */
#define invariant(condition)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)

/* The same where no condition is left to test: `why` says to the reader what cannot be. */
#define invariant_broken(why) __builtin_trap()

#define MUST_USE __attribute__((warn_unused_result))

#endif
