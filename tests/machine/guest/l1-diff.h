/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The generator of the differential test inside the bare-metal L1: l1-diff.c chooses
 * and executes operations, l1-diff-state.c knows what makes a state valid.
 */
#ifndef L1_DIFF_H
#define L1_DIFF_H

#include <stdbool.h>

#include "diff.h"
#include "l1.h"

#define DIFF ((struct diff_control *)DIFF_CONTROL)

/* No VMCS is current. */
#define NO_VMCS (-1)

/**
 * struct diff_vmcs - what the generator knows of a VMCS of its
 * @dirty: by index of the field; holds another value than good[], perhaps
 * @launched: VMRESUME is the way in
 * @linear_unknown: GUEST_LINEAR_ADDRESS is undefined
 * @info_unknown: VMX_INSTRUCTION_INFO is
 */
struct diff_vmcs {
	bool dirty[DIFF_MAX_FIELDS];
	bool launched;
	bool linear_unknown;
	bool info_unknown;
};

/* l1-diff.c */
extern struct diff_vmcs diff_vmcs[DIFF_NR_VMCS];
extern int diff_current;
extern uint64_t diff_good[DIFF_MAX_FIELDS];
uint64_t diff_random(void);
unsigned int diff_below(unsigned int n);
uint64_t diff_vmread(uint64_t field);
void diff_vmwrite(unsigned int index, uint64_t value);
int diff_index(uint64_t field);
uint64_t diff_rdmsr(uint32_t msr);
void diff_wrmsr(uint32_t msr, uint64_t value);
void diff_record_state(unsigned int index, uint64_t value);

/* l1-diff-state.c */
void diff_make_tables(void);
void diff_choose_good(void);
bool diff_is_critical(uint32_t field);
uint64_t diff_variant(unsigned int index);
uint64_t diff_any_value(unsigned int index);
void diff_log_l1_state(void);
void diff_reset_l1_state(void);

/* l1.c */
void l1_setup_current(void);

/* l1-diff.c; called by l1.c */
void l1_diff(void);

#endif
