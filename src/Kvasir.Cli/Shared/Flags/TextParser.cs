using System.Diagnostics.CodeAnalysis;

namespace Kvasir.Cli.Shared.Flags;

/// <summary>Whether a text is a value, and which.</summary>
internal delegate bool TextParser<T>(string text, [MaybeNullWhen(false)] out T value);
