namespace Kvasir.Files;

/// <summary>Where bytes stand that should be text, for messages.</summary>
/// <param name="Source">A file, or the name of a stream.</param>
/// <param name="Line">Of the first byte, from 1 on.</param>
/// <param name="Offset">Bytes before the first.</param>
public readonly record struct TextPlace(string Source, int Line, long Offset);
