/*
 * engine_settings.h - from settings to what the engine is made with.
 *
 * Pure; any thread.
 */
#ifndef FAREBOX_ENGINE_SETTINGS_H
#define FAREBOX_ENGINE_SETTINGS_H

#include "engine.h"
#include "settings.h"

/* The engine's bounds. engine_size() of them is not 0. */
struct engine_limits engine_settings_limits(const struct farebox_settings *settings);

/* The engine's rules: LIFE's waits, breakers, intervals; its zone is the default's. */
struct engine_config engine_settings_config(const struct farebox_settings *settings);

/* Room of the engine's pool of texts. Records are taken on while it is at most half full. */
uint32_t engine_settings_texts(const struct engine_limits *limits);
#define ENGINE_SETTINGS_TEXT_BYTES (192U << 20)

#endif
