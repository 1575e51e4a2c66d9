/*
 * A PKCS#11 module for the tests only: it hands every call on to SoftHSM, and misbehaves on command.
 * Built by test/support/fault-module.ts; never part of what is installed.
 *
 * Commands come from the file `faults` in the folder of $SOFTHSM2_CONF, read anew whenever it changes;
 * each call is noted in `calls` there, one line: "PID FUNCTION RETURN-VALUE". A line of `faults` is
 *
 *     FUNCTION EFFECT [CONDITION...]
 *
 * EFFECT     rv=0xNN   return this value without calling SoftHSM
 *            hang      never return              crash     die of SIGSEGV
 *            sleep=MS  wait, then do the call    corrupt   flip a bit of the signature
 *            small=N   CKR_BUFFER_TOO_SMALL to a buffer of fewer than N bytes
 *            empty     C_GetSlotList: no slot    grow=MIB  take memory and keep it
 *            flags=0xNN  C_GetTokenInfo: add these flags
 *            print     C_Login: print the PIN, at once and again when the process ends
 * CONDITION  from=N    not before the N-th call of FUNCTION since the file changed
 *            count=N   at most N times
 *            until=F   no longer once this process has called F since the file changed
 *            process   only in processes that are older than the file
 *            idle=MS   only when this process made no call for so long
 *            sessions=N  only while N sessions or more are open
 * All that holds for one process: a fresh helper starts counting at its own first call.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

#ifndef SOFTHSM_PATH
#define SOFTHSM_PATH "/usr/lib/softhsm/libsofthsm2.so"
#endif

#define MAX_FAULTS 32
#define MAX_NAME 40
#define MAX_PATH 4096
#define MAX_CALLED 64

struct fault {
	char function[MAX_NAME];
	char effect[16];
	char until[MAX_NAME];
	unsigned long value;
	long from, count, idle_ms, sessions;
	int old_process_only;
	long seen, fired;
};

static CK_FUNCTION_LIST real;
static CK_FUNCTION_LIST ours;
static struct fault faults[MAX_FAULTS];
static int fault_count;
static struct stat faults_stat;
static char called[MAX_CALLED][MAX_NAME];
static int called_count;
static struct timespec started;
static double last_call_ms;
static long open_sessions;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *path_of(const char *name)
{
	static char path[MAX_PATH];
	const char *conf = getenv("SOFTHSM2_CONF");
	const char *slash = conf == NULL ? NULL : strrchr(conf, '/');
	if (slash == NULL)
		return NULL;
	snprintf(path, sizeof path, "%.*s/%s", (int)(slash - conf), conf, name);
	return path;
}

static double now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void wait_ms(unsigned long ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	nanosleep(&time, NULL);
}

static void parse_word(struct fault *fault, const char *word)
{
	char name[MAX_NAME] = "", value[MAX_NAME] = "";
	sscanf(word, "%39[^=]=%39s", name, value);
	if (strcmp(name, "from") == 0)
		fault->from = atol(value);
	else if (strcmp(name, "count") == 0)
		fault->count = atol(value);
	else if (strcmp(name, "idle") == 0)
		fault->idle_ms = atol(value);
	else if (strcmp(name, "sessions") == 0)
		fault->sessions = atol(value);
	else if (strcmp(name, "process") == 0)
		fault->old_process_only = 1;
	else if (strcmp(name, "until") == 0)
		snprintf(fault->until, sizeof fault->until, "%s", value);
	else {
		snprintf(fault->effect, sizeof fault->effect, "%s", name);
		fault->value = strtoul(value, NULL, 0);
	}
}

static void read_faults(void)
{
	struct stat current;
	const char *path = path_of("faults");
	char line[512];
	FILE *file;

	memset(&current, 0, sizeof current);
	if (path == NULL || stat(path, &current) != 0)
		memset(&current, 0, sizeof current);
	if (current.st_ino == faults_stat.st_ino && current.st_size == faults_stat.st_size &&
	    current.st_mtim.tv_sec == faults_stat.st_mtim.tv_sec &&
	    current.st_mtim.tv_nsec == faults_stat.st_mtim.tv_nsec)
		return;
	faults_stat = current;
	fault_count = 0;
	called_count = 0;
	file = current.st_ino == 0 ? NULL : fopen(path, "re");
	if (file == NULL)
		return;
	while (fault_count < MAX_FAULTS && fgets(line, sizeof line, file) != NULL) {
		char *rest = line;
		char *word = strsep(&rest, " \n");
		struct fault *fault = &faults[fault_count];
		if (word == NULL || *word == '\0')
			continue;
		memset(fault, 0, sizeof *fault);
		snprintf(fault->function, sizeof fault->function, "%s", word);
		fault->count = -1;
		while ((word = strsep(&rest, " \n")) != NULL)
			if (*word != '\0')
				parse_word(fault, word);
		fault_count++;
	}
	fclose(file);
}

static int was_called(const char *function)
{
	for (int at = 0; at < called_count; at++)
		if (strcmp(called[at], function) == 0)
			return 1;
	return 0;
}

static int is_older_than_file(void)
{
	return started.tv_sec < faults_stat.st_mtim.tv_sec ||
	       (started.tv_sec == faults_stat.st_mtim.tv_sec && started.tv_nsec < faults_stat.st_mtim.tv_nsec);
}

/* The fault that holds for this call, or NULL. Called once for each call that comes in. */
static struct fault *fault_of(const char *function)
{
	double now = now_ms(), idle_ms;
	struct fault *found = NULL;

	pthread_mutex_lock(&lock);
	read_faults();
	idle_ms = last_call_ms == 0 ? 0 : now - last_call_ms;
	last_call_ms = now;
	for (int at = 0; at < fault_count; at++) {
		struct fault *fault = &faults[at];
		if (strcmp(fault->function, function) != 0)
			continue;
		fault->seen++;
		if (found != NULL || fault->seen < fault->from ||
		    (fault->count >= 0 && fault->fired >= fault->count) ||
		    (fault->until[0] != '\0' && was_called(fault->until)) ||
		    (fault->old_process_only && !is_older_than_file()) ||
		    (fault->idle_ms > 0 && idle_ms < fault->idle_ms) ||
		    (fault->sessions > 0 && open_sessions < fault->sessions))
			continue;
		fault->fired++;
		found = fault;
	}
	if (!was_called(function) && called_count < MAX_CALLED)
		snprintf(called[called_count++], MAX_NAME, "%s", function);
	pthread_mutex_unlock(&lock);
	return found;
}

static CK_RV noted(const char *function, CK_RV rv)
{
	char line[128];
	const char *path = path_of("calls");
	int length = snprintf(line, sizeof line, "%d %s 0x%lx\n", (int)getpid(), function, rv);
	int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd != -1) {
		if (write(fd, line, length) != length)
			abort();
		close(fd);
	}
	return rv;
}

static int has_effect(const struct fault *fault, const char *effect)
{
	return fault != NULL && strcmp(fault->effect, effect) == 0;
}

static char *volatile kept;

static void grow(unsigned long mebibytes)
{
	size_t size = mebibytes << 20;
	char *memory = malloc(size);
	if (memory != NULL)
		memset(memory, 1, size);
	kept = memory; /* or the compiler would leave both calls out */
}

/* Does what can be done before the call; gives 1 when the call is not to be made, with its value. */
static int intercepts(const char *function, const struct fault *fault, CK_RV *rv)
{
	if (has_effect(fault, "rv")) {
		*rv = fault->value;
		return 1;
	}
	if (has_effect(fault, "hang")) {
		noted(function, CKR_OK);
		for (;;)
			wait_ms(1000);
	}
	if (has_effect(fault, "crash")) {
		noted(function, CKR_OK);
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
	}
	if (has_effect(fault, "sleep"))
		wait_ms(fault->value);
	if (has_effect(fault, "grow"))
		grow(fault->value);
	return 0;
}

/* The common shape: misbehave or hand on, and note it. `fault` is there for what comes after. */
#define FORWARD(name, ...)                                \
	const struct fault *fault = fault_of(#name);      \
	CK_RV rv = CKR_OK;                                \
	if (intercepts(#name, fault, &rv))                \
		return noted(#name, rv);                  \
	rv = real.name(__VA_ARGS__)

static CK_RV initialize(void *args)
{
	FORWARD(C_Initialize, args);
	return noted("C_Initialize", rv);
}

static CK_RV finalize(void *reserved)
{
	FORWARD(C_Finalize, reserved);
	open_sessions = 0;
	return noted("C_Finalize", rv);
}

static CK_RV get_slot_list(unsigned char present, CK_SLOT_ID *slots, unsigned long *count)
{
	FORWARD(C_GetSlotList, present, slots, count);
	if (has_effect(fault, "empty"))
		*count = 0;
	return noted("C_GetSlotList", rv);
}

static CK_RV get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	FORWARD(C_GetTokenInfo, slot, info);
	if (rv == CKR_OK && has_effect(fault, "flags"))
		info->flags |= fault->value;
	return noted("C_GetTokenInfo", rv);
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
			  CK_SESSION_HANDLE *session)
{
	FORWARD(C_OpenSession, slot, flags, application, notify, session);
	if (rv == CKR_OK)
		open_sessions++;
	return noted("C_OpenSession", rv);
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
	FORWARD(C_CloseSession, session);
	if (rv == CKR_OK)
		open_sessions--;
	return noted("C_CloseSession", rv);
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, unsigned char *pin, unsigned long length)
{
	FORWARD(C_Login, session, user, pin, length);
	if (has_effect(fault, "print")) {
		fprintf(stderr, "PIN %.*s\n", (int)length, pin);
		printf("PIN %.*s\n", (int)length, pin); /* buffered */
	}
	return noted("C_Login", rv);
}

static CK_RV logout(CK_SESSION_HANDLE session)
{
	FORWARD(C_Logout, session);
	return noted("C_Logout", rv);
}

static CK_RV find_objects_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, unsigned long count)
{
	FORWARD(C_FindObjectsInit, session, template, count);
	return noted("C_FindObjectsInit", rv);
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	FORWARD(C_SignInit, session, mechanism, key);
	return noted("C_SignInit", rv);
}

static CK_RV sign(CK_SESSION_HANDLE session, unsigned char *data, unsigned long data_length,
		  unsigned char *signature, unsigned long *length)
{
	const struct fault *fault = fault_of("C_Sign");
	CK_RV rv = CKR_OK;

	if (has_effect(fault, "small") && *length < fault->value) {
		/* The operation stays active, as PKCS#11 2.40 §5.2 has it. */
		*length = fault->value;
		return noted("C_Sign", CKR_BUFFER_TOO_SMALL);
	}
	if (intercepts("C_Sign", fault, &rv))
		return noted("C_Sign", rv);
	rv = real.C_Sign(session, data, data_length, signature, length);
	if (rv == CKR_OK && signature != NULL && has_effect(fault, "corrupt"))
		signature[*length / 2] ^= 1;
	return noted("C_Sign", rv);
}

/* When this library was loaded, near enough the start of its process; and no core file of a crash. */
__attribute__((constructor)) static void on_load(void)
{
	struct rlimit none = { 0, 0 };
	clock_gettime(CLOCK_REALTIME, &started);
	setrlimit(RLIMIT_CORE, &none);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
	void *library = dlopen(SOFTHSM_PATH, RTLD_NOW | RTLD_LOCAL);
	CK_RV (*get_list)(CK_FUNCTION_LIST **) = NULL;
	CK_FUNCTION_LIST *theirs = NULL;

	if (library != NULL)
		*(void **)&get_list = dlsym(library, "C_GetFunctionList");
	if (get_list == NULL || get_list(&theirs) != CKR_OK)
		return CKR_GENERAL_ERROR;
	real = *theirs;
	ours = real;
	ours.C_Initialize = initialize;
	ours.C_Finalize = finalize;
	ours.C_GetSlotList = get_slot_list;
	ours.C_GetTokenInfo = get_token_info;
	ours.C_OpenSession = open_session;
	ours.C_CloseSession = close_session;
	ours.C_Login = login;
	ours.C_Logout = logout;
	ours.C_FindObjectsInit = find_objects_init;
	ours.C_SignInit = sign_init;
	ours.C_Sign = sign;
	*list = &ours;
	return CKR_OK;
}
