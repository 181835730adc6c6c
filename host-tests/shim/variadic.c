/* The C-variadic functions of the OpenFX parameter and message suites.
 *
 * Stable Rust can call such functions but cannot define them, so each of these reads its arguments and hands
 * them on as plain arrays. Nothing is decided here. */

#include <stdarg.h>
#include <stdio.h>

typedef int OfxStatus;

enum { SLOT_NONE = 0, SLOT_INT = 1, SLOT_DOUBLE = 2, SLOT_POINTER = 3 };
enum { MAX_SLOTS = 4, MAX_MESSAGE = 8192 };

typedef union {
    int as_int;
    double as_double;
    const void *as_pointer;
} Slot;

/* Implemented in Rust (suites/param.rs, suites/message.rs). */
extern int ofx_host_param_slots(void *param, int *count);
extern OfxStatus ofx_host_param_get(void *param, int timed, double time, void *const *out, int count);
extern OfxStatus ofx_host_param_set(void *param, int timed, double time, const Slot *in, int count);
extern OfxStatus ofx_host_param_slope(void *param, double from, double to, double *const *out, int count);
extern int ofx_host_loses_arguments(void *handle);
extern OfxStatus ofx_host_message(void *handle, const char *type, const char *id, const char *text, int persistent);

static OfxStatus get(void *param, int timed, double time, va_list *args)
{
    void *out[MAX_SLOTS] = { 0 };
    int count = 0;
    ofx_host_param_slots(param, &count);
    for (int i = 0; i < count && i < MAX_SLOTS; ++i)
        out[i] = va_arg(*args, void *);
    return ofx_host_param_get(param, timed, time, out, count);
}

static OfxStatus set(void *param, int timed, double time, va_list *args)
{
    Slot in[MAX_SLOTS] = { { 0 } };
    int count = 0;
    const int kind = ofx_host_param_slots(param, &count);
    for (int i = 0; i < count && i < MAX_SLOTS; ++i) {
        if (kind == SLOT_INT)
            in[i].as_int = va_arg(*args, int);
        else if (kind == SLOT_DOUBLE)
            in[i].as_double = va_arg(*args, double);
        else if (kind == SLOT_POINTER)
            in[i].as_pointer = va_arg(*args, const void *);
    }
    return ofx_host_param_set(param, timed, time, in, count);
}

OfxStatus ofx_host_paramGetValue(void *param, ...)
{
    va_list args;
    va_start(args, param);
    const OfxStatus status = get(param, 0, 0.0, &args);
    va_end(args);
    return status;
}

OfxStatus ofx_host_paramGetValueAtTime(void *param, double time, ...)
{
    va_list args;
    va_start(args, time);
    const OfxStatus status = get(param, 1, time, &args);
    va_end(args);
    return status;
}

OfxStatus ofx_host_paramSetValue(void *param, ...)
{
    va_list args;
    va_start(args, param);
    const OfxStatus status = set(param, 0, 0.0, &args);
    va_end(args);
    return status;
}

OfxStatus ofx_host_paramSetValueAtTime(void *param, double time, ...)
{
    va_list args;
    va_start(args, time);
    const OfxStatus status = set(param, 1, time, &args);
    va_end(args);
    return status;
}

static OfxStatus slope(void *param, double from, double to, va_list *args)
{
    double *out[MAX_SLOTS] = { 0 };
    int count = 0;
    ofx_host_param_slots(param, &count);
    for (int i = 0; i < count && i < MAX_SLOTS; ++i)
        out[i] = va_arg(*args, double *);
    return ofx_host_param_slope(param, from, to, out, count);
}

/* A derivative is what a time that goes from itself to itself asks for. */
OfxStatus ofx_host_paramGetDerivative(void *param, double time, ...)
{
    va_list args;
    va_start(args, time);
    const OfxStatus status = slope(param, time, time, &args);
    va_end(args);
    return status;
}

OfxStatus ofx_host_paramGetIntegral(void *param, double from, double to, ...)
{
    va_list args;
    va_start(args, to);
    const OfxStatus status = slope(param, from, to, &args);
    va_end(args);
    return status;
}

static OfxStatus say(void *handle, const char *type, const char *id, const char *format, va_list *args, int persistent)
{
    char text[MAX_MESSAGE] = "";
    if (format && ofx_host_loses_arguments(handle))
        snprintf(text, sizeof text, "%s", format);
    else if (format)
        vsnprintf(text, sizeof text, format, *args);
    return ofx_host_message(handle, type, id, text, persistent);
}

OfxStatus ofx_host_message_shown(void *handle, const char *type, const char *id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const OfxStatus status = say(handle, type, id, format, &args, 0);
    va_end(args);
    return status;
}

OfxStatus ofx_host_setPersistentMessage(void *handle, const char *type, const char *id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const OfxStatus status = say(handle, type, id, format, &args, 1);
    va_end(args);
    return status;
}
