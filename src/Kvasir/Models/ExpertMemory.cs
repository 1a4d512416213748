namespace Kvasir.Models;

/// <summary>What the experts of a model take, of whose weights a token reads some alone.</summary>
/// <param name="Bytes">Of all experts.</param>
/// <param name="TokenBytes">Of those that one token goes through.</param>
/// <param name="MappedBytes">
/// Of those that are read where the file is mapped, since they do not fit into memory as copies or were not to be copied: the system keeps as much of them
/// in memory as it has room for beside keys and values.
/// </param>
public sealed record ExpertMemory(long Bytes, long TokenBytes, long MappedBytes);
