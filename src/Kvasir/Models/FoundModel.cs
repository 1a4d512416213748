namespace Kvasir.Models;

/// <summary>A model that was found, and not opened.</summary>
/// <param name="Name">Of its file or folder, without extension and without the number of a part.</param>
/// <param name="Path">The file, the first of several, or the folder.</param>
/// <param name="Bytes">Of its files.</param>
public sealed record FoundModel(string Name, string Path, long Bytes);
