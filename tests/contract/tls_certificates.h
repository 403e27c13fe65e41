/*
 * tls_certificates.h - an authority of the test's own and certificates by it, as PEM files in a
 * private folder. One key for all. Failure ends the test program.
 */
#ifndef FAREBOX_TEST_TLS_CERTIFICATES_H
#define FAREBOX_TEST_TLS_CERTIFICATES_H

struct tls_certificates {
    char folder[256];
    char key[320];
    char ca[320];
    char good[320]; /* for 127.0.0.1 */
    char other_host[320];
    char expired[320];
    char not_yet[320];
};

/* Makes the folder and everything in it. */
void tls_certificates_make(struct tls_certificates *certificates);
/* The folder with all that is in it. */
void tls_certificates_remove(struct tls_certificates *certificates);

#endif
