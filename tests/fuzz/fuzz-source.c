/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What sources of settings may tell of a VM, in any order, while somebody sets policies, some
 * other program does, files are read again and memory is short: the table of daemon/vm.c.
 * The input is a list of steps; a step's texts end with NUL.  The kernel is a few lines here,
 * and keeps what it was last told, as the real one does.
 */
#include <linux/nvmx.h>
#include <sys/eventfd.h>

#include "daemon/vm.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX	64
#define SOURCES_N	2

static struct nvmx_field fields[] = {
	{ .encoding = 0x4814, .name = "GUEST_ES_AR_BYTES", .width = NVMX_WIDTH_32, .kind = NVMX_KIND_GUEST_STATE,
	  .allowed_classes = 3, .stock_class = NVMX_CLASS_READ_ONLY },
	{ .encoding = 0x6c14, .name = "HOST_RSP", .width = NVMX_WIDTH_NATURAL, .kind = NVMX_KIND_HOST_STATE,
	  .allowed_classes = 7 },
};

static struct {
	struct nvmx_policy policy;
	struct nvmx_policy_entry entries[ARRAY_SIZE(fields)];
	int fail;		/* errno of every call */
} fuzz_kernel;

static int fuzz_call(int fd, unsigned int request, void *arg)
{
	struct nvmx_policy *a = arg;

	if (fuzz_kernel.fail)
		return fuzz_kernel.fail;
	switch (request) {
	case NVMX_VM_GET_INFO:
		*(struct nvmx_vm_info *)arg = (struct nvmx_vm_info) { .size = sizeof(struct nvmx_vm_info), .id = 1 };
		break;
	case NVMX_VM_GET_POLICY:
		memcpy(a->label, fuzz_kernel.policy.label, sizeof(a->label));
		a->generation = fuzz_kernel.policy.generation;
		a->vmwrite_any_field = fuzz_kernel.policy.vmwrite_any_field;
		for (uint32_t i = 0; i < a->nr && i < fuzz_kernel.policy.nr; i++)
			((struct nvmx_policy_entry *)(uintptr_t)a->entries)[i] = fuzz_kernel.entries[i];
		a->nr = fuzz_kernel.policy.nr;
		break;
	case NVMX_VM_SET_POLICY:
		demand(a->nr <= ARRAY_SIZE(fields));
		memcpy(fuzz_kernel.entries, (void *)(uintptr_t)a->entries, a->nr * sizeof(fuzz_kernel.entries[0]));
		fuzz_kernel.policy.nr = a->nr;
		fuzz_kernel.policy.vmwrite_any_field = a->vmwrite_any_field;
		memcpy(fuzz_kernel.policy.label, a->label, sizeof(a->label));
		a->generation = ++fuzz_kernel.policy.generation;
		break;
	default:
		return -ENOTTY;
	}
	return 0;
}

static int fuzz_open_vm(const char *path, int fd, uint64_t id, int *ret_fd)
{
	*ret_fd = eventfd(0, EFD_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static const struct link_ops fuzz_ops = { .name = "fuzz", .call = fuzz_call, .open_vm = fuzz_open_vm };

static struct {
	struct kernel kernel;
	struct files files;
	struct vm_context context;
	bool changing;
} scene;

/* A callback sees the VM whole, and is not called from within itself. */
static void on_changed(struct vm *vm, unsigned int what, void *userdata)
{
	_cleanup_free_ char *reason = NULL;

	demand(what && !scene.changing);
	scene.changing = true;
	reason = vm_policy_reason(vm);
	demand(vm_name(vm) && vm_uuid(vm) && vm_origin(vm) && vm_shadowing(vm) && vm->policy.base);
	scene.changing = false;
}

static void on_retry(void *userdata)
{
}

static void set_up(void)
{
	static const char *const none[] = { NULL };
	sd_event *event;
	struct retry *retry;

	if (scene.context.event)
		return;
	demand(sd_event_default(&event) >= 0);
	demand(retry_new(event, on_retry, NULL, &retry) >= 0);
	kernel_init(&scene.kernel, event, retry, &fuzz_ops, "fuzz", NULL, NULL);
	scene.kernel.support = KERNEL_AVAILABLE;
	scene.kernel.table = (struct field_table) { .fields = fields, .n = ARRAY_SIZE(fields) };
	files_init(&scene.files, none, none);
	demand(files_load(&scene.files, &scene.kernel.table) >= 0);
	scene.context = (struct vm_context) {
		.event = event,
		.kernel = &scene.kernel,
		.files = &scene.files,
		.retry = retry,
		.changed = on_changed,
	};
}

/* ---- the input ---- */

struct input {
	const char *p, *end;
};

static const char *next_text(struct input *in)
{
	const char *s = in->p;

	if (s >= in->end)
		return "";
	in->p += strlen(s) + 1;
	return s;
}

static unsigned char next_byte(struct input *in)
{
	return in->p < in->end ? (unsigned char)*in->p++ : 0;
}

/* ---- what must hold ---- */

static void check(const struct vm *vm)
{
	demand(vm_is_vouched(vm) == (vm->state == VM_KNOWN || vm->state == VM_BROKEN));
	if (!vm_is_vouched(vm))
		demand((vm->state == VM_WAITING) == (vm->awaited != 0));
	demand(vm_is_vouched(vm) == (vm->name && vm->uuid && vm->origin && vm->source_name));
	demand((vm->state == VM_BROKEN) <= (vm->settings_error != NULL));
	demand((vm->state == VM_KNOWN) <= vm->told);
	demand(!vm->metadata <= !vm->settings);
	/* What is shown is in force, unless it is known that it may not be. */
	if (vm->owed == VM_OWES_NOTHING)
		demand(vm->policy.generation == fuzz_kernel.policy.generation);
}

static void tell(struct vm *vm, struct input *in, unsigned int source)
{
	static const char *const names[SOURCES_N] = { "a", "b" };
	struct vm_answer answer = { .source = source, .source_name = names[source] };
	bool runtime = vm->policy.source == POLICY_SOURCE_RUNTIME && vm->owed == VM_OWES_NOTHING;
	uint64_t generation = fuzz_kernel.policy.generation;
	_cleanup_free_ char *before = vm->told && vm->settings ? strdup(vm->settings) : NULL;
	int knew = vm->source;
	char *sentence = NULL;
	bool told = vm->told;
	int r;

	answer.name = next_text(in);
	answer.uuid = next_text(in);
	answer.origin = next_text(in);
	answer.settings = next_text(in);
	answer.error = next_text(in);
	r = vm_answer_check(&answer, &sentence);
	fuzz_check_sentence(r, &sentence);
	if (r < 0)
		return;

	r = vm_told(vm, &answer);
	demand(r == 0 || r == -EEXIST);
	demand((r == -EEXIST) == (knew >= 0 && (unsigned int)knew < source));
	if (r < 0)
		return;
	demand(vm->source == (int)source && streq(vm_name(vm), answer.name));
	if (*answer.error)
		demand(vm->state == VM_BROKEN);
	/* Only settings that changed end what was set at run time. */
	if (runtime && vm->policy.source != POLICY_SOURCE_RUNTIME)
		demand(told && knew == (int)source && !streq(before ?: "", answer.settings));
	if (vm->state == VM_BROKEN)
		demand(generation == fuzz_kernel.policy.generation);
}

static void set_policy(struct vm *vm, const char *name)
{
	_cleanup_assignment_ struct assignment *a = NULL;
	_cleanup_free_ char *base = NULL;
	char *sentence = NULL;

	if (vm_policy_compute(vm, name, NULL, 0, &a, &base, &sentence) >= 0 &&
	    vm_policy_set(vm, a, base, &sentence) >= 0 && vm->owed == VM_OWES_NOTHING)
		demand(vm->policy.source == POLICY_SOURCE_RUNTIME);
	free(sentence);
}

static void reset(struct vm *vm)
{
	bool waits = vm->state == VM_WAITING;
	char *sentence = NULL;
	int r;

	r = vm_policy_reset(vm, &sentence);
	demand(waits ? r == -EAGAIN : r != -EAGAIN);
	demand(r >= 0 || sentence || is_shortage(r));
	free(sentence);
}

static void step(struct vm *vm, struct input *in)
{
	unsigned char what = next_byte(in);
	unsigned int source = what & 1;

	fuzz_kernel.fail = what & 0x80 ? -ENOMEM : 0;
	switch (what >> 1 & 7) {
	case 0:
	case 1:
		tell(vm, in, source);
		break;
	case 2:
		vm_unknown(vm, source, next_text(in));
		break;
	case 3:
		vm_files_changed(vm);
		break;
	case 4:
		set_policy(vm, next_text(in));
		break;
	case 5:
		reset(vm);
		break;
	case 6:		/* another program, and the kernel's record */
		fuzz_kernel.policy.generation++;
		snprintf(fuzz_kernel.policy.label, sizeof(fuzz_kernel.policy.label), "%s", next_text(in));
		if (vm_policy_refresh(vm) < 0)
			demand(vm->owed >= VM_OWES_REFRESH);
		break;
	case 7:
		vm_try_again(vm);
		break;
	}
	if (vm->owed != VM_OWES_NOTHING && !fuzz_kernel.fail)
		vm_try_again(vm);
	check(vm);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = fuzz_text(data, size);
	struct input in = { .p = text, .end = text + size };
	struct vm *vm = NULL;

	set_up();
	memset(&fuzz_kernel, 0, sizeof(fuzz_kernel));
	demand(vm_new(&scene.context, 1, 0, 0, next_byte(&in) & ((1 << SOURCES_N) - 1), &vm) >= 0);
	vm_begin(vm);
	check(vm);
	for (int i = 0; i < STEPS_MAX && in.p < in.end; i++)
		step(vm, &in);
	vm_free(vm);
	return 0;
}
