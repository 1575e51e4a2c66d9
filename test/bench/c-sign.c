/* C_Sign in a loop, in one process and one or more threads with a session each, and nothing around it:
 * what the daemon is compared with.
 *   c-sign MODULE TOKEN-LABEL PIN-FILE KEY-LABEL rsa|ec THREADS SIGNATURES
 * prints {"perSecond":...,"p50":...,"p99":...} with times in milliseconds. */

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_THREADS 16
#define MAX_SLOTS 64

static CK_FUNCTION_LIST_PTR p11;
static CK_SLOT_ID slot;
static const char *key_label;
static int is_rsa;
static long each;

struct lane {
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	double *times;
};

static void must(CK_RV rv, const char *what)
{
	if (rv != CKR_OK) {
		fprintf(stderr, "c-sign: %s: 0x%lx\n", what, rv);
		exit(1);
	}
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void find_slot(const char *label)
{
	CK_SLOT_ID slots[MAX_SLOTS];
	CK_ULONG count = MAX_SLOTS;
	CK_TOKEN_INFO info;
	char padded[33];

	snprintf(padded, sizeof padded, "%-32s", label);
	must(p11->C_GetSlotList(CK_TRUE, slots, &count), "C_GetSlotList");
	for (CK_ULONG i = 0; i < count; i++) {
		must(p11->C_GetTokenInfo(slots[i], &info), "C_GetTokenInfo");
		if (memcmp(info.label, padded, 32) == 0) {
			slot = slots[i];
			return;
		}
	}
	fprintf(stderr, "c-sign: no token %s\n", label);
	exit(1);
}

static void find_key(struct lane *lane)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof class },
		{ CKA_LABEL, (void *)key_label, strlen(key_label) },
	};
	CK_ULONG found = 0;

	must(p11->C_FindObjectsInit(lane->session, template, 2), "C_FindObjectsInit");
	must(p11->C_FindObjects(lane->session, &lane->key, 1, &found), "C_FindObjects");
	must(p11->C_FindObjectsFinal(lane->session), "C_FindObjectsFinal");
	if (found != 1) {
		fprintf(stderr, "c-sign: no key %s\n", key_label);
		exit(1);
	}
}

static void *sign_all(void *argument)
{
	/* DigestInfo of SHA-256, RFC 8017 section 9.2, and room for the hash. */
	unsigned char input[51] = { 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
		0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	struct lane *lane = argument;
	CK_MECHANISM mechanism = { is_rsa ? CKM_RSA_PKCS : CKM_ECDSA, NULL, 0 };
	unsigned char signature[1024];

	for (long i = 0; i < each; i++) {
		CK_ULONG length = sizeof signature;
		double started = now_ms();
		memcpy(input + 19, &i, sizeof i);
		must(p11->C_SignInit(lane->session, &mechanism, lane->key), "C_SignInit");
		must(p11->C_Sign(lane->session, is_rsa ? input : input + 19, is_rsa ? 51 : 32, signature,
			     &length),
			"C_Sign");
		lane->times[i] = now_ms() - started;
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_C_GetFunctionList get;
	struct lane lanes[MAX_THREADS];
	pthread_t threads[MAX_THREADS];
	char pin[256] = "";
	double *times, started, seconds;
	long count, total;
	FILE *file;
	void *module;

	if (argc != 8 || (count = atol(argv[6])) < 1 || count > MAX_THREADS)
		return 2;
	key_label = argv[4];
	is_rsa = strcmp(argv[5], "rsa") == 0;
	each = atol(argv[7]) / count;
	total = each * count;
	file = fopen(argv[3], "r");
	if (!file || !fgets(pin, sizeof pin, file))
		return 2;
	fclose(file);
	pin[strcspn(pin, "\n")] = 0;
	module = dlopen(argv[1], RTLD_NOW);
	get = module ? (CK_C_GetFunctionList)dlsym(module, "C_GetFunctionList") : NULL;
	if (!get)
		return 2;
	must(get(&p11), "C_GetFunctionList");
	must(p11->C_Initialize(&args), "C_Initialize");
	find_slot(argv[2]);
	times = calloc(total, sizeof *times);
	for (long i = 0; i < count; i++) {
		must(p11->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &lanes[i].session),
			"C_OpenSession");
		if (i == 0)
			must(p11->C_Login(lanes[i].session, CKU_USER, (unsigned char *)pin, strlen(pin)),
				"C_Login");
		lanes[i].times = times + i * each;
		find_key(&lanes[i]);
	}
	started = now_ms();
	for (long i = 0; i < count; i++)
		pthread_create(&threads[i], NULL, sign_all, &lanes[i]);
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	seconds = (now_ms() - started) / 1e3;
	p11->C_Finalize(NULL);
	qsort(times, total, sizeof *times, compare);
	printf("{\"perSecond\":%f,\"p50\":%f,\"p99\":%f}\n", total / seconds, times[total / 2],
		times[total * 99 / 100]);
	return 0;
}
