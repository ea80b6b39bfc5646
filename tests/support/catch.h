#pragma once

// Debian 12 ships Catch2 2.13; later ones ship 3. Tests include this and build with both.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
