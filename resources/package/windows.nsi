; The installer for Windows, made by `cargo run --release -p bundle -- --package` or by hand:
;
;   makensis -DVERSION=0.1.0 -DBUNDLE=out/AIInbetween.ofx.bundle -DOUT=setup.exe resources/package/windows.nsi
;
; It runs without questions as `setup.exe /S`, and is taken off by the system's list of programs or by
; `uninstall.exe /S`.

; 64-bit, as the plug-in is, so that it runs where no 32-bit programs do. Debian's NSIS can make it, that for Windows cannot.
!ifdef AMD64
    Target amd64-unicode
!endif
Unicode true
SetCompressor /SOLID lzma
RequestExecutionLevel admin
ManifestDPIAware true
ManifestLongPathAware true

!define NAME "AI In-between"
!define FOLDER "AIInbetween.ofx.bundle"
!define KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall\AIInbetween"

Name "${NAME} ${VERSION}"
OutFile "${OUT}"
VIProductVersion "${VERSION}.0"
VIAddVersionKey "ProductName" "${NAME}"
VIAddVersionKey "FileDescription" "${NAME}: installer"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "LegalCopyright" "Apache-2.0"

!include LogicLib.nsh
!include x64.nsh

Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

; Where hosts look for plug-ins, for all users of the machine.
Var Plugins

!macro FindFolders un
Function ${un}FindFolders
    ${IfNot} ${RunningX64}
        MessageBox MB_OK|MB_ICONSTOP "${NAME} needs 64-bit Windows." /SD IDOK
        SetErrorLevel 1
        Quit
    ${EndIf}
    SetRegView 64
    SetShellVarContext all
    StrCpy $Plugins "$COMMONFILES64\OFX\Plugins"
    StrCpy $INSTDIR "$PROGRAMFILES64\${NAME}"
FunctionEnd
!macroend
!insertmacro FindFolders ""
!insertmacro FindFolders "un."

!macro Refuse
    RMDir "$1"
    MessageBox MB_OK|MB_ICONSTOP "${NAME} is in use. Close the programs that use it and try again." /SD IDOK
    SetErrorLevel 2
    Quit
!macroend

; A plug-in stays loaded until its host ends. A file that is in use can be moved but not replaced, and a folder that holds one
; can often not even be moved: so both programs are moved aside, and what a host still holds open goes away with the next
; start of Windows.
!macro TakeAway un
Function ${un}TakeAway
    ${IfNot} ${FileExists} "$Plugins\${FOLDER}\*.*"
        Return
    ${EndIf}
    StrCpy $2 "$Plugins\${FOLDER}\Contents\Win64"
    ; A worker that waits for the next drawing would keep its program.
    nsExec::Exec '"$2\inbetween.exe" serve --stop'
    Pop $0
    ; Hosts do not look into folders whose names begin with @.
    StrCpy $1 "$Plugins\@old"
    StrCpy $0 0
    ${While} ${FileExists} "$1$0\*.*"
        IntOp $0 $0 + 1
    ${EndWhile}
    StrCpy $1 "$1$0"
    CreateDirectory "$1"
    ClearErrors
    ${If} ${FileExists} "$2\AIInbetween.ofx"
        Rename "$2\AIInbetween.ofx" "$1\AIInbetween.ofx"
        ${If} ${Errors}
            !insertmacro Refuse
        ${EndIf}
    ${EndIf}
    ${If} ${FileExists} "$2\inbetween.exe"
        Rename "$2\inbetween.exe" "$1\inbetween.exe"
        ${If} ${Errors}
            Rename "$1\AIInbetween.ofx" "$2\AIInbetween.ofx"
            !insertmacro Refuse
        ${EndIf}
    ${EndIf}
    RMDir /r "$Plugins\${FOLDER}"
    RMDir /r /REBOOTOK "$1"
FunctionEnd
!macroend
!insertmacro TakeAway ""
!insertmacro TakeAway "un."

Section "install"
    Call FindFolders
    Call TakeAway
    SetOutPath "$Plugins"
    File /r "${BUNDLE}"
    SetOutPath "$INSTDIR"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    ; For terminals: a folder that can be put on the search path, with one file that calls the program.
    FileOpen $0 "$INSTDIR\inbetween.cmd" w
    FileWrite $0 '@"$Plugins\${FOLDER}\Contents\Win64\inbetween.exe" %*$\r$\n'
    FileClose $0
    CreateShortcut "$SMPROGRAMS\${NAME} command line.lnk" "$SYSDIR\cmd.exe" '/k "set PATH=%PATH%;$INSTDIR"'
    WriteRegStr HKLM "${KEY}" "DisplayName" "${NAME}"
    WriteRegStr HKLM "${KEY}" "DisplayVersion" "${VERSION}"
    WriteRegStr HKLM "${KEY}" "Publisher" "${NAME}"
    WriteRegStr HKLM "${KEY}" "UninstallString" '"$INSTDIR\uninstall.exe"'
    WriteRegStr HKLM "${KEY}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD HKLM "${KEY}" "NoModify" 1
    WriteRegDWORD HKLM "${KEY}" "NoRepair" 1
SectionEnd

Section "uninstall"
    Call un.FindFolders
    Call un.TakeAway
    Delete "$SMPROGRAMS\${NAME} command line.lnk"
    Delete "$INSTDIR\inbetween.cmd"
    Delete "$INSTDIR\uninstall.exe"
    RMDir "$INSTDIR"
    DeleteRegKey HKLM "${KEY}"
SectionEnd
