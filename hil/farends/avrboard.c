/* An AVR board with real firmware: simavr runs a .hex, its UART0 is a serial port (pty), its pins are told and asked.
 *
 *     avrboard [-m atmega328p] [-b 57600] [-s 1.0] [-l LINK] FIRMWARE.hex
 *
 * -s is the speed in real time, -l a symbolic link to the pty that stays the same when it is plugged in again.
 *
 * It tells on stdout:   port PATH | awake (the first byte after a start) | pin B5 1 MICROSECONDS | state B5 LEVEL DIRECTION | did ... | unknown ...
 * (the microseconds are simulated). It is told on stdin, a line each:
 *
 *     adc CHANNEL MILLIVOLT             the voltage at an analog input
 *     sine CHANNEL MEAN AMPLITUDE HERTZ the same, swinging: a current clamp at the mains
 *     drive PORT BIT 0|1                the level at an input pin
 *     watch PORT BIT                    tell each change of this pin
 *     get PORT BIT                      tell level and direction (1: output) of a pin
 *     freeze 0|1                        stop the processor, and let it go on
 *     garbage COUNT                     send bytes that are no protocol's
 *     sysex COUNT                       send one message of so many bytes
 *     reset | unplug | plug             restart; take the port away, and give a new one (the board has its own power)
 *
 * It ends when stdin closes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "avr_adc.h"
#include "avr_ioport.h"
#include "avr_uart.h"
#include "sim_avr.h"
#include "sim_hex.h"
#include "sim_time.h"

enum { CHANNELS = 16, QUEUE = 1 << 16, LINE = 200 };

struct wave { double mean, amplitude, hertz; };

static avr_t *avr;
static avr_irq_t *uart_in;
static const char *link_path;
static int master = -1, slave = -1;
static int frozen, asleep, uart_ready = 1;
static unsigned char queue[QUEUE]; /* from the host, paced to the baud rate */
static unsigned queue_read, queue_write;
static struct wave waves[CHANNELS];
static unsigned long byte_cycles, wave_cycles;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

static void to_host(const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0 && master >= 0;) {
        ssize_t written = write(master, at, count);
        if (written > 0) {
            at += written;
            count -= written;
        } else if (count == 1 || errno != EAGAIN) {
            return; /* nobody reads: a UART does not wait either */
        } else {
            usleep(1000);
        }
    }
}

static void on_uart_out(struct avr_irq_t *irq, uint32_t value, void *param)
{
    unsigned char byte = value;
    (void)irq;
    (void)param;
    to_host(&byte, 1);
    if (asleep) {
        asleep = 0;
        puts("awake");
        fflush(stdout);
    }
}

static void on_uart_ready(struct avr_irq_t *irq, uint32_t value, void *param)
{
    (void)irq;
    (void)value;
    uart_ready = param != NULL;
}

static void on_pin(struct avr_irq_t *irq, uint32_t value, void *param)
{
    long pin = (long)param;
    (void)irq;
    printf("pin %c%ld %u %.0f\n", (char)(pin >> 8), pin & 0xff, value & 1, avr->cycle * 1e6 / avr->frequency);
    fflush(stdout);
}

/* One byte each byte time, as the converter chip of a real board does. */
static avr_cycle_count_t feed(avr_t *board, avr_cycle_count_t when, void *param)
{
    (void)board;
    (void)param;
    if (uart_ready && queue_read != queue_write)
        avr_raise_irq(uart_in, queue[queue_read++ % QUEUE]);
    return when + byte_cycles;
}

static void set_voltage(int channel, double millivolt)
{
    avr_raise_irq(avr_io_getirq(avr, AVR_IOCTL_ADC_GETIRQ, ADC_IRQ_ADC0 + channel), (uint32_t)(millivolt + 0.5));
}

static avr_cycle_count_t swing(avr_t *board, avr_cycle_count_t when, void *param)
{
    double now = (double)board->cycle / board->frequency;
    (void)param;
    for (int i = 0; i < CHANNELS; i++)
        if (waves[i].hertz > 0)
            set_voltage(i, waves[i].mean + waves[i].amplitude * sin(2 * M_PI * waves[i].hertz * now));
    return when + wave_cycles;
}

static avr_irq_t *pin_irq(char port, int bit)
{
    return bit >= 0 && bit < 8 ? avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(port), bit) : NULL;
}

static void watch(char port, int bit)
{
    avr_irq_t *irq = pin_irq(port, bit);
    irq->flags |= IRQ_FLAG_FILTERED;
    avr_irq_register_notify(irq, on_pin, (void *)((long)port << 8 | bit));
}

/* Held from outside: simavr then gives the level again whenever the pin becomes an input. */
static void drive(char port, int bit, int level)
{
    static unsigned char masks[256], levels[256];
    masks[(unsigned char)port] |= 1 << bit;
    levels[(unsigned char)port] &= ~(1 << bit);
    levels[(unsigned char)port] |= !!level << bit;
    avr_ioport_external_t outside = {
        .name = port, .mask = masks[(unsigned char)port], .value = levels[(unsigned char)port]};
    avr_ioctl(avr, AVR_IOCTL_IOPORT_SET_EXTERNAL(port), &outside);
    avr_raise_irq(pin_irq(port, bit), level);
}

static void tell_state(char port, int bit)
{
    avr_ioport_state_t state;
    avr_ioctl(avr, AVR_IOCTL_IOPORT_GETSTATE(port), &state);
    printf("state %c%d %d %d\n", port, bit, (int)(state.pin >> bit) & 1, (int)(state.ddr >> bit) & 1);
}

static void unplug(void)
{
    if (link_path)
        unlink(link_path); /* first: the pty behind it is soon another far end's */
    if (master >= 0) {
        close(slave);
        close(master);
    }
    master = slave = -1;
}

/* A reset takes every timer of simavr away, ours too. */
static void restart(void)
{
    avr_reset(avr);
    avr_cycle_timer_register(avr, byte_cycles, feed, NULL);
    avr_cycle_timer_register(avr, wave_cycles, swing, NULL);
    uart_ready = asleep = 1;
    queue_read = queue_write;
}

/* What was sent while nobody could hear it is lost. The slave stays open here, so that the host may close and open it and find it raw. */
static void plug(void)
{
    char name[64];
    struct termios raw = {0};
    unplug();
    cfmakeraw(&raw);
    raw.c_cflag |= CREAD | CLOCAL;
    if (openpty(&master, &slave, name, &raw, NULL) < 0) {
        perror("openpty");
        exit(1);
    }
    fcntl(master, F_SETFL, O_NONBLOCK);
    queue_read = queue_write;
    if (link_path && symlink(name, link_path) < 0) {
        perror(link_path);
        exit(1);
    }
    printf("port %s\n", link_path ? link_path : name);
}

static void send_garbage(int count)
{
    for (unsigned state = 1; count > 0; count--) {
        unsigned char byte = (state = state * 1103515245 + 12345) >> 16;
        to_host(&byte, 1);
    }
}

static void send_sysex(int count)
{
    static const unsigned char begin[] = {0xf0, 0x71}, end[] = {0xf7};
    unsigned char body[1000];
    memset(body, 'x', sizeof body);
    to_host(begin, sizeof begin);
    for (; count > 0; count -= sizeof body)
        to_host(body, count < (int)sizeof body ? (size_t)count : sizeof body);
    to_host(end, sizeof end);
}

static int obey_pin(const char *line)
{
    char port;
    int bit, level;
    if (sscanf(line, "drive %c %d %d", &port, &bit, &level) == 3 && pin_irq(port, bit))
        drive(port, bit, level);
    else if (sscanf(line, "watch %c %d", &port, &bit) == 2 && pin_irq(port, bit))
        watch(port, bit);
    else if (sscanf(line, "get %c %d", &port, &bit) == 2 && pin_irq(port, bit))
        tell_state(port, bit);
    else
        return 0;
    return 1;
}

static void obey(const char *line)
{
    int channel, count;
    double mean, amplitude, hertz;
    if (sscanf(line, "adc %d %lf", &channel, &mean) == 2 && channel >= 0 && channel < CHANNELS) {
        waves[channel] = (struct wave){0};
        set_voltage(channel, mean);
    } else if (sscanf(line, "sine %d %lf %lf %lf", &channel, &mean, &amplitude, &hertz) == 4 && channel >= 0 &&
               channel < CHANNELS) {
        waves[channel] = (struct wave){mean, amplitude, hertz};
    } else if (sscanf(line, "freeze %d", &count) == 1) {
        frozen = count;
    } else if (sscanf(line, "garbage %d", &count) == 1) {
        send_garbage(count);
    } else if (sscanf(line, "sysex %d", &count) == 1) {
        send_sysex(count);
    } else if (!strcmp(line, "reset")) {
        restart();
    } else if (!strcmp(line, "unplug")) {
        unplug();
    } else if (!strcmp(line, "plug")) {
        plug();
    } else if (!obey_pin(line)) {
        printf("unknown %s\n", line);
    }
    printf("did %s\n", line);
    fflush(stdout);
}

static void read_orders(void)
{
    static char line[LINE + 1];
    static int length;
    char letter;
    ssize_t got;
    while ((got = read(0, &letter, 1)) == 1) {
        if (letter == '\n') {
            line[length] = 0;
            length = 0;
            obey(line);
        } else if (length < LINE) {
            line[length++] = letter;
        }
    }
    if (got == 0) {
        unplug();
        exit(0);
    }
}

static void read_host(void)
{
    unsigned char bytes[256];
    ssize_t got;
    while (master >= 0 && queue_write - queue_read < QUEUE - sizeof bytes &&
           (got = read(master, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < got; i++)
            queue[queue_write++ % QUEUE] = bytes[i];
}

static void load(const char *mcu, const char *firmware)
{
    ihex_chunk_p chunks;
    int count = read_ihex_chunks(firmware, &chunks);
    avr = avr_make_mcu_by_name(mcu);
    if (!avr || count <= 0) {
        fprintf(stderr, "no such processor or firmware: %s %s\n", mcu, firmware);
        exit(1);
    }
    avr_init(avr);
    avr->frequency = 16000000;
    avr->vcc = avr->avcc = avr->aref = 5000;
    avr->log = LOG_ERROR;
    for (int i = 0; i < count; i++)
        if (chunks[i].baseaddr + chunks[i].size <= avr->flashend + 1)
            memcpy(avr->flash + chunks[i].baseaddr, chunks[i].data, chunks[i].size);
    avr->codeend = avr->flashend;
}

static void wire(unsigned long baud)
{
    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    uart_in = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_uart_out, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_uart_ready, avr);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), on_uart_ready, NULL);
    byte_cycles = avr->frequency * 10 / baud;
    wave_cycles = avr->frequency / 4000;
}

/* Runs a simulated millisecond at a time and sleeps off what it is early. */
static void run(double speed)
{
    const avr_cycle_count_t slice = avr->frequency / 1000;
    double began = seconds();
    avr_cycle_count_t first = avr->cycle, next = avr->cycle + slice;
    for (;;) {
        read_orders();
        read_host();
        if (frozen) { /* a UART keeps no more than two bytes for a processor that does not fetch them */
            queue_read = queue_write;
            usleep(1000);
            began = seconds();
            first = avr->cycle;
            next = first + slice;
            continue;
        }
        while (avr->cycle < next) {
            int state = avr_run(avr);
            if (state == cpu_Done || state == cpu_Crashed) {
                fprintf(stderr, "the processor stopped\n");
                exit(2);
            }
        }
        next = avr->cycle + slice;
        double early = (double)(avr->cycle - first) / avr->frequency / speed - (seconds() - began);
        if (early > 0) {
            usleep(early * 1e6);
        } else if (early < -0.25) { /* the computer is too slow: do not hurry after it */
            began = seconds();
            first = avr->cycle;
        }
    }
}

int main(int argc, char **argv)
{
    const char *mcu = "atmega328p";
    unsigned long baud = 57600;
    double speed = 1.0;
    int option;
    while ((option = getopt(argc, argv, "m:b:s:l:")) > 0)
        switch (option) {
        case 'm': mcu = optarg; break;
        case 'b': baud = strtoul(optarg, NULL, 10); break;
        case 's': speed = strtod(optarg, NULL); break;
        case 'l': link_path = optarg; break;
        default: return 1;
        }
    if (optind != argc - 1 || baud == 0 || speed <= 0) {
        fprintf(stderr, "usage: avrboard [-m MCU] [-b BAUD] [-s SPEED] [-l LINK] FIRMWARE.hex\n");
        return 1;
    }
    load(mcu, argv[optind]);
    wire(baud);
    plug();
    restart();
    fflush(stdout);
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
    run(speed);
}
